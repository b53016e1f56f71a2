#!/usr/bin/env bash
# Tests the Python package with the extension module that a build of the workspace has left behind; nothing is compiled here.
#
#   cargo build --workspace --all-targets && bindings/python/ci.sh [ARGUMENTS OF PYTEST]
#   bindings/python/ci.sh --stubs         writes ciro/_ciro.pyi anew from the built module
#   bindings/python/ci.sh --environment   makes the virtual environment, and prints its interpreter
#   bindings/python/ci.sh --package DIR   puts the package into a folder, as a wheel would hold it
#
#   CARGO_TARGET_DIR   where that build is. Default: target/ of the checkout
#   PYTHON             the interpreter, CPython 3.11 or newer. Default: python3
#
# Packages go into a virtual environment outside of the checkout, one for each set of requirements and interpreter, which the next run
# uses again; the network is needed the first time alone.
set -euo pipefail
cd "$(dirname "$0")"

environment() {
  python=${PYTHON:-python3}
  version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
  environment="${XDG_CACHE_HOME:-$HOME/.cache}/ciro/python-$version-$(cksum <tests/requirements.txt | cut -d' ' -f1)"
  if [ ! -e "$environment/complete" ]; then
    "$python" -m venv --clear "$environment"
    "$environment/bin/python" -m pip install --quiet --disable-pip-version-check -r tests/requirements.txt
    touch "$environment/complete"
  fi
}

if [ "${1-}" = --environment ]; then
  environment >&2
  echo "$environment/bin/python"
  exit
fi

# The checkout stays as it is: the package lies in a folder of its own.
package() {
  cp -R ciro pyproject.toml "$1"
  cp "$library" "$1/ciro/_ciro.abi3.so"
}

built="${CARGO_TARGET_DIR:-../../target}/debug"
case $(uname -s) in
  Darwin) library="$built/lib_ciro.dylib" ;;
  *) library="$built/lib_ciro.so" ;;
esac
for file in "$library" "$built/examples/python-stubs"; do
  if [ ! -e "$file" ]; then
    echo "ci.sh: there is no $file; run \`cargo build --workspace --all-targets\` first" >&2
    exit 1
  fi
done

if [ "${1-}" = --stubs ]; then
  "$built/examples/python-stubs" "$library" >ciro/_ciro.pyi
  exit
fi

if [ "${1-}" = --package ]; then
  package "$2"
  exit
fi

environment

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
package "$scratch"
export PYTHONPATH="$scratch" PYTHONDONTWRITEBYTECODE=1 IPYTHONDIR="$scratch/ipython" MPLCONFIGDIR="$scratch/matplotlib"

"$built/examples/python-stubs" "$library" | diff ciro/_ciro.pyi - || {
  echo 'ci.sh: the stub is not that of the module; run `bindings/python/ci.sh --stubs`' >&2
  exit 1
}
# The client is tested against real programs, which the same build has made.
CIRO_PROGRAMS=$(realpath "$built")
export CIRO_PROGRAMS
cp tests/stubtest-allowlist.txt "$scratch"
(
  cd "$scratch"
  "$environment/bin/mypy" --cache-dir "$environment/mypy"
  "$environment/bin/stubtest" ciro._ciro --mypy-config-file pyproject.toml --allowlist stubtest-allowlist.txt
)
# Not `python -m pytest`, which would find the package of the checkout, without its module.
"$environment/bin/pytest" -p no:cacheprovider --strict-config "$@"
