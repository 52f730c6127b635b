# Sourced: installs Debian packages by name, as root or through sudo, and only
# what is missing.

# Names among the arguments that are not installed.
missing_packages() {
  local name
  for name in "$@"; do
    dpkg-query -W -f='${db:Status-Status}' "$name" 2>/dev/null |
      grep -qx installed || printf '%s\n' "$name"
  done
}

install_packages() {
  local missing sudo=
  missing=$(missing_packages "$@")
  [ -n "$missing" ] || return 0
  if ! command -v apt-get >/dev/null; then
    echo "error: this machine has no apt-get; install:" $missing >&2
    return 1
  fi
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || {
      echo "error: to install" $missing "run this as root, or install sudo" >&2
      return 1
    }
    sudo=sudo
  fi
  echo "installing:" $missing
  $sudo apt-get update -qq
  # shellcheck disable=SC2086
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq \
    --no-install-recommends $missing >/dev/null
}

# What building the library and the program takes.
BUILD_PACKAGES="gcc libc6-dev cmake ninja-build pkg-config
  protobuf-c-compiler libprotobuf-c-dev libopenblas-dev libjansson-dev
  libzip-dev libturbojpeg0-dev libpng-dev libwebp-dev libssl-dev"

# A Python with the given packages in a virtual environment of its own;
# prints its path.  It is made again only if it does not work.
python_with() { # folder package...
  local folder=$1
  shift
  if ! "$folder/bin/python" -c 'import onnxruntime' 2>/dev/null; then
    rm -rf "$folder"
    python3 -m venv "$folder" >&2
    "$folder/bin/pip" install --quiet --disable-pip-version-check "$@" >&2
  fi
  printf '%s\n' "$folder/bin/python"
}
