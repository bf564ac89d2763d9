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
    """Let nothing follow the results, and another Ctrl-C end the process at once: Python would call it an error."""
    import signal

    from leakdiff.console import end_results

    end_results()
    signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main())
