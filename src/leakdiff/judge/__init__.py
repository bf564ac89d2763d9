"""From series and owners to findings: verdict, reason, fingerprint, advice."""
