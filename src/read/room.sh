# What a host has left: memory, swap, load, and for each path space and inodes. Reads only.
# In: ROOM_PATHS (a path a line; `~/` is the acting user's home). Out: marked sections; the last line is @end.
(
LC_ALL=C; export LC_ALL
unset GREP_OPTIONS QUOTING_STYLE TIME_STYLE BLOCK_SIZE BLOCKSIZE DF_BLOCK_SIZE PS_FORMAT PS_PERSONALITY CMD_ENV
lacks=
for t in awk df grep head sed tail tr; do command -v "$t" >/dev/null 2>&1 || lacks="$lacks $t"; done
if [ -n "$lacks" ]; then echo "the host lacks$lacks" >&2; exit 92; fi
nl='
'
echo @memory
grep -E '^(MemTotal|MemAvailable|SwapTotal|SwapFree):' /proc/meminfo 2>/dev/null

# The limits that this session's own group and all groups above it set; the lowest one counts.
echo @limit
one() {
  limit=; used=; cache=
  read -r limit 2>/dev/null <"$1/$2" || return
  read -r used 2>/dev/null <"$1/$3" || used='?'
  cache=$(awk -v key="$4" '$1 == key { print $2; exit }' "$1/memory.stat" 2>/dev/null)
  echo "$limit $used ${cache:-?}"
}
up() {
  g=$2
  while :; do
    one "$1$g" "$3" "$4" "$5"
    [ -n "$g" ] || break
    g=${g%/*}
  done
}
if [ -r /proc/self/cgroup ]; then
  v1=$(sed -n 's/^[0-9]*:\([^:]*,\)*memory\(,[^:]*\)*:\(.*\)$/\3/p' /proc/self/cgroup | head -n 1)
  v2=$(sed -n 's/^0:://p' /proc/self/cgroup | head -n 1)
  if [ -n "$v1" ]; then
    up /sys/fs/cgroup/memory "${v1%/}" memory.limit_in_bytes memory.usage_in_bytes total_inactive_file
  elif [ -n "$v2" ]; then
    for root in /sys/fs/cgroup /sys/fs/cgroup/unified; do
      [ -e "$root/cgroup.controllers" ] && up "$root" "${v2%/}" memory.max memory.current inactive_file
    done
  fi
fi

echo @load
read -r line 2>/dev/null </proc/loadavg && echo "$line"
echo "cpus $(getconf _NPROCESSORS_ONLN 2>/dev/null || nproc 2>/dev/null || grep -c '^processor' /proc/cpuinfo 2>/dev/null)"

echo @oom
grep '^oom_kill ' /proc/vmstat 2>/dev/null

echo @disk
set -f
IFS=$nl
for f in $ROOM_PATHS; do
  case $f in
    "~") f=$HOME ;;
    "~/"*) f=$HOME/${f#??} ;;
  esac
  printf 'path %s\n' "$f"
  if [ ! -e "$f" ]; then
    echo gone
    continue
  fi
  printf 'space %s\n' "$(df -Pk -- "$f" 2>/dev/null | tail -n +2 | tr '\n' ' ')"
  printf 'inodes %s\n' "$(df -Pi -- "$f" 2>/dev/null | tail -n +2 | tr '\n' ' ')"
done
echo @end
)
