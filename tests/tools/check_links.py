"""Checks that relative links of the Markdown files lead to files of the tree. Prints those that do not."""

import os
import re
import subprocess
import sys

bad = 0
for page in subprocess.run(["git", "ls-files", "*.md"], capture_output=True, text=True, check=True).stdout.split():
    text = open(page, encoding="utf-8").read()
    for target in re.findall(r"\]\(([^)#\s]+)[^)]*\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        if not os.path.exists(os.path.join(os.path.dirname(page), target)):
            print(f"{page}: no file {target}")
            bad = 1
sys.exit(bad)
