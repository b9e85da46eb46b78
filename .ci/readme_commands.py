"""Print the two commands that README.md opens with, so that what runs is what is written there."""

import re
from pathlib import Path

text = Path(__file__).parent.parent.joinpath("README.md").read_text(encoding="utf-8")
blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
print(blocks[0].strip())
print(blocks[1].strip())
