"""``python -m leakdiff``, and what the command ``leakdiff`` runs."""

import sys


def main() -> int:
    """Run the command line in a process of its own; Ctrl-C ends it without a traceback, whenever it comes."""
    try:
        from leakdiff.cli import main as run

        status = run()
        _end_quietly()
    except KeyboardInterrupt:
        sys.stderr.write("leakdiff: interrupted before there was a result\n")
        status = 2
    return status


def _end_quietly() -> None:
    """Let another Ctrl-C end the process at once: from here on it would be reported as an error of the interpreter."""
    import signal

    signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main())
