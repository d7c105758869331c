"""What a finished generator can be asked to draw: strips, sums of latents, neighbours, better samples."""
