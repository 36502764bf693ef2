#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Every check and every test. CI calls this and nothing else.
set -eu

usage() {
    cat <<'EOF'
usage: sh scripts/test.sh [--quick] [PYTEST ARGUMENT ...]

Sets up what is missing, then: ruff, mypy, clang-format, pytest.
  --quick   format, lint, types and tests/unit only
EOF
}
quick=no
case "${1:-}" in
    -h | --help) usage; exit 0 ;;
    --quick) quick=yes; shift ;;
esac

cd "$(dirname "$0")/.."
sh scripts/setup.sh --tests
PATH="$PWD/.venv/bin:$PATH"
export PATH

echo "== ruff"
ruff check .
ruff format --check .
echo "== mypy"
mypy
echo "== clang-format"
find app bootloader tests -name '*.[ch]' -not -path '*/build*' -not -path 'tests/vectors/*' |
    xargs clang-format --dry-run -Werror
echo "== pytest"
if [ "$quick" = yes ]; then
    exec python -m pytest -n auto tests/unit "$@"
fi
exec python -m pytest -n auto "$@"
