# shellcheck shell=bash disable=SC2034
# Sourced: installs Debian packages by name, as root or through sudo, and only
# what is missing.

# What building the library and the program takes; what the tests take beyond.
BUILD_PACKAGES=(gcc libc6-dev cmake ninja-build pkg-config
  protobuf-c-compiler libprotobuf-c-dev libopenblas-dev libjansson-dev
  libzip-dev libturbojpeg0-dev libpng-dev libwebp-dev libssl-dev)
TEST_PACKAGES=(g++ libcmocka-dev zstd python3 python3-venv)

is_installed() { # package
  [ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

as_root() { # command...
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "error: run this as root or install sudo, to run: $*" >&2
    return 1
  fi
}

install_packages() { # package...
  local name missing=()
  for name in "$@"; do
    is_installed "$name" || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if ! command -v apt-get >/dev/null; then
    echo "error: there is no apt-get here; install: ${missing[*]}" >&2
    return 1
  fi
  echo "installing: ${missing[*]}"
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    --no-install-recommends "${missing[@]}" >/dev/null
}

# A Python with the given packages in a virtual environment of its own;
# prints its path.  It is made again if it was made for other packages.
python_with() { # folder package...
  local folder=$1
  shift
  if [ "$(cat "$folder/packages" 2>/dev/null)" != "$*" ]; then
    rm -rf "$folder"
    python3 -m venv "$folder" >&2
    "$folder/bin/pip" install --quiet --disable-pip-version-check "$@" >&2
    printf '%s\n' "$*" >"$folder/packages"
  fi
  printf '%s\n' "$folder/bin/python"
}
