"""
Fuzz the parsers, guided by coverage (Atheris), for as long as one likes.

``make fuzz`` runs every target of test/fuzz/targets.py for 100,000 cases each; a finding is
written beside the corpus, as the input that made it.
"""

from __future__ import annotations

import argparse
from pathlib import Path
import subprocess
import sys
import time

ROOT = Path(__file__).resolve().parents[1]
MEMORY_MB = 2048
HANG_S = 2


def run_one(name: str, cases: int, corpus: Path) -> None:
    """Fuzz one target in this process; Atheris ends the process."""
    import atheris

    with atheris.instrument_imports(include=['depth_node', 'targets']):
        from targets import survives, TARGETS
    target = TARGETS[name]
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(target.seeds()):
        (corpus / f'seed{number}').write_bytes(seed)
    words = [
        sys.argv[0], str(corpus), f'-runs={cases}', f'-timeout={HANG_S}', '-verbosity=0',
        f'-rss_limit_mb={MEMORY_MB}', f'-artifact_prefix={corpus.parent}/{name}-', '-max_len=4096',
    ]
    atheris.Setup(words, lambda data: survives(target, data))
    atheris.Fuzz()


def main() -> int:
    """Fuzz all targets, or one; return 1 when something was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('targets', nargs='*', help='names; all when none is given')
    parser.add_argument('--cases', type=int, default=100_000, help='per target')
    parser.add_argument('--corpus', type=Path, default=ROOT / 'runs' / 'fuzz')
    parser.add_argument('--here', action='store_true', help=argparse.SUPPRESS)
    args = parser.parse_args()
    sys.path[:0] = [str(ROOT / 'test' / 'fuzz'), str(ROOT / 'test')]
    if args.here:
        run_one(args.targets[0], args.cases, args.corpus / args.targets[0])
        return 0
    from targets import TARGETS

    wrong = []
    for name in args.targets or TARGETS:
        start = time.monotonic()
        # each in a process of its own: a crash of one is not the end of all
        done = subprocess.run(
            [sys.executable, __file__, name, '--here', f'--cases={args.cases}',
             f'--corpus={args.corpus}'],
            check=False, capture_output=True, text=True,
        )
        seconds = time.monotonic() - start
        print(f'{name:12} {args.cases} cases, {seconds:.0f} s, exit code {done.returncode}')
        if done.returncode:
            wrong.append(name)
            print((done.stdout + done.stderr)[-4000:])
    return 1 if wrong else 0


if __name__ == '__main__':
    raise SystemExit(main())
