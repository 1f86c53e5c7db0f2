"""The scripts of the run on a GPU are imported as they run: from their own folder."""

from pathlib import Path
import sys

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / 'tools' / 'gpu'))
