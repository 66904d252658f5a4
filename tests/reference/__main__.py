"""Write the pages of docs/reference/ anew, from the code; or into the folder that is named."""

import sys
from pathlib import Path

from reference.pages import FOLDER, PAGES

if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        (folder / name).write_text(make(), encoding="utf-8")
