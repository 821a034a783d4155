"""The entry point of the command line, also for `python -m gridiface.cli`: Ctrl-C is quiet while modules load, too."""


def main() -> None:
    """Load and run the command line.

    Raises:
        SystemExit: always, with the exit code; 130 for Ctrl-C.
    """
    try:
        from gridiface.cli.main import main as run  # noqa: PLC0415 - the loading is what may be interrupted

        run()
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
