#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Names in one line every tool that the build needs and the machine lacks; else silent.
# Usage: preflight.sh [PYTHON]
set -u

python=${1:-python3}
missing=

need() { # tool, Debian package
    missing="${missing:+$missing, }$1 (package $2)"
}

have() { command -v "$1" >/dev/null 2>&1; }

if ! have "$python"; then
    need "$python" python3
elif ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 10))' 2>/dev/null; then
    need "Python 3.10 or later as $python" python3
elif ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    need "ensurepip of $python" python3-venv
fi
have g++ || need g++ g++
have make || need make make
have perl || need perl perl
have git || need git git

[ -z "$missing" ] && exit 0
echo "missing $missing: install with the system's package manager, e.g. apt-get install"
exit 1
