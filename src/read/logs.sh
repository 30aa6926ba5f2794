# Reads the ends of log files. Opens regular files only: opening a FIFO or a device could hang.
# In: LOG_FILES (a path a line; `~/` is the acting user's home), LOG_HOME and LOG_STEM (the logs of a PM2 app by their
# default names as well), LOG_TAIL (bytes of each file), LOG_ROOM (bytes of all files), LOG_PART (0 is the newest part).
# Out: `file INODE SIZE START LENGTH PATH`, the bytes and a line break, for each; or `gone|link|denied|odd|blind PATH`.
(
LC_ALL=C; export LC_ALL
unset GREP_OPTIONS QUOTING_STYLE TIME_STYLE BLOCK_SIZE BLOCKSIZE DF_BLOCK_SIZE PS_FORMAT PS_PERSONALITY CMD_ENV
lacks=
for t in dd head ls; do command -v "$t" >/dev/null 2>&1 || lacks="$lacks $t"; done
if [ -n "$lacks" ]; then echo "the host lacks$lacks" >&2; exit 92; fi
nl='
'
# echo would read backslashes in a path
say() { printf '%s %s\n' "$1" "$2"; }

home() {
  case $1 in
    "~") at=$HOME ;;
    "~/"*) at=$HOME/${1#??} ;;
    *) at=$1 ;;
  esac
}

# What is not there must be told from what may not be seen.
absent() {
  d=${1%/*}
  while [ -n "$d" ] && [ ! -e "$d" ] && [ ! -L "$d" ]; do
    case $d in */*) d=${d%/*} ;; *) d=. ;; esac
  done
  if [ -L "$1" ] || { [ -L "$d" ] && [ ! -e "$d" ]; }; then say link "$1"
  elif [ -d "${d:-/}" ] && [ ! -x "${d:-/}" ]; then say denied "$1"
  else say gone "$1"
  fi
}

part() {
  if [ ! -e "$1" ]; then absent "$1"; return; fi
  if [ ! -f "$1" ]; then say odd "$1"; return; fi
  if [ ! -r "$1" ]; then say denied "$1"; return; fi
  path=$1
  IFS=' '
  set -- $(ls -Lldni -- "$path" 2>/dev/null)
  IFS=$nl
  case $1:$6 in *[!0-9:]* | :* | *:) say blind "$path"; return ;; esac
  end=$(($6 - LOG_PART * share))
  [ "$end" -gt 0 ] || end=0
  start=$((end - share))
  [ "$start" -gt 0 ] || start=0
  skip=$((start / 512))
  start=$((skip * 512))
  length=$((end - start))
  printf 'file %s %s %s %s %s\n' "$1" "$6" "$start" "$length" "$path"
  # dd seeks: what lies before the part is not read, however long it is
  if [ "$length" -gt 0 ]; then
    dd if="$path" bs=512 skip="$skip" count="$((length / 512 + 1))" 2>/dev/null | head -c "$length"
  fi
  echo
}

echo @logs
set -f
IFS=$nl
set --
for f in $LOG_FILES; do
  home "$f"
  set -- "$@" "$at"
done
if [ -n "$LOG_STEM" ]; then
  home "$LOG_HOME"
  stem=$at/logs/$LOG_STEM
  set +f
  for f in "$stem-out.log" "$stem-error.log" "$stem-out-"*.log "$stem-error-"*.log; do
    number=${f#"$stem-out-"}
    number=${number#"$stem-error-"}
    number=${number%.log}
    case $f in
      "$stem-out.log" | "$stem-error.log") ;;
      *) case $number in '' | *[!0-9]*) continue ;; esac ;;
    esac
    if [ -f "$f" ]; then set -- "$@" "$f"; fi
  done
  set -f
fi
if [ $# -gt 64 ]; then
  echo "many $#"
elif [ $# -gt 0 ]; then
  share=$((LOG_ROOM / $#))
  [ "$share" -le "$LOG_TAIL" ] || share=$LOG_TAIL
  for f do part "$f"; done
fi
echo @end
)
