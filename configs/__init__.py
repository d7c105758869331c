"""The config files of gan-train; installed as the package gan_cli.configs."""
