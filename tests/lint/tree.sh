#!/usr/bin/env bash
# tree.sh ROOT: rules about the files of the tree that a compiler does not
# check.  Prints each violation; exit 1 if there is any.
set -uo pipefail
cd "$1" || exit 2
failed=0

# Files of the tree: those of git, or all outside build folders.
if git rev-parse --is-inside-work-tree >/dev/null 2>&1; then
  tree=$(git ls-files --cached --others --exclude-standard)
else
  tree=$(find . \( -path './build*' -o -path ./.git \) -prune -o \
    -type f -print | sed 's|^\./||')
fi

# Those whose name matches, each ended by a zero byte.
files() { # regex
  printf '%s\n' "$tree" | grep -E "$1" | while IFS= read -r name; do
    if [ -f "$name" ]; then printf '%s\0' "$name"; fi
  done
}

# Prints what it reads, under a title, and remembers that there was something.
report() { # title
  local found
  found=$(cat)
  [ -n "$found" ] || return 0
  printf '%s:\n%s\n' "$1" "$found"
  failed=1
}

code='\.(c|h|cmake|sh|py|proto|def|in|txt)$'
report "tabs" < <(files "$code|\.(md|json)$" |
  xargs -0 grep -nP '\t' -- /dev/null)
report "blanks at the end of a line" < <(files "$code" |
  xargs -0 grep -nP '[ \r]$' -- /dev/null)
report "lines of more than 80 columns" < <(files '\.[ch]$' |
  xargs -0 awk 'length($0) > 80 { print FILENAME ":" FNR }')

# A line of a log names one file.
report "file names that occur twice in src" < <(files '^src/.*\.[ch]$' |
  tr '\0' '\n' | sed 's|.*/||' | sort | uniq -d)

# Paths of one machine and tools of one author do not belong here.  (The
# brackets keep this file from finding itself.)
words='[/]work/|[/]root/|[/]home/[a-z]+/|[/]tmp/[a-z]|\.[l]ibrary/'
words+='|c[l]aude|an[t]hropic|chat[g]pt|co[p]ilot|open[a]i|\bcode[x]\b'
report "names of machines or tools" < <(files . |
  xargs -0 grep -InEi "$words" -- /dev/null |
  grep -vE 'XXXXXX|ort_find.c:.*linuxbrew')

report "files that are executable but no scripts" < <(files . |
  xargs -0 -I{} find {} -maxdepth 0 -perm -u+x |
  while IFS= read -r name; do
    head -c 2 "$name" | grep -q '^#!' || printf '%s\n' "$name"
  done)

exit $failed
