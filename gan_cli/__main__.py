"""`python -m gan_cli` is `gan-train`."""

from gan_cli.cli.train import main

if __name__ == "__main__":
    main()
