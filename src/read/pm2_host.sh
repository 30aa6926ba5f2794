# Looks at a host for PM2: processes, listening sockets, PM2_HOME. Reads only, never runs pm2, needs no root.
# In: PM2_HOME_DIR (`~/` is the acting user's home). Out: marked sections; the last line is @end.
(
LC_ALL=C; export LC_ALL
unset GREP_OPTIONS QUOTING_STYLE TIME_STYLE BLOCK_SIZE BLOCKSIZE DF_BLOCK_SIZE PS_FORMAT PS_PERSONALITY CMD_ENV
# A part of a pipe that is not there would leave less to be seen: a port that is held would look free.
lacks=
for t in awk cat cut fold grep head id ls sed tr; do command -v "$t" >/dev/null 2>&1 || lacks="$lacks $t"; done
if [ -n "$lacks" ]; then echo "the host lacks$lacks" >&2; exit 92; fi
case $PM2_HOME_DIR in
  "~") h=$HOME ;;
  "~/"*) h=$HOME/${PM2_HOME_DIR#??} ;;
  *) h=$PM2_HOME_DIR ;;
esac
r=$(cd -P -- "$h" 2>/dev/null && pwd -P) || r=
H=$h; R=$r; export H R

echo @head
echo "uid $(id -u)"
echo "user $(id -un 2>/dev/null)"
echo "home $h"
echo "real $r"
echo "base $HOME"
up=; read -r up rest 2>/dev/null </proc/uptime
echo "uptime $up"
echo "hz $(getconf CLK_TCK 2>/dev/null || echo 100)"
# Closed connections that are remembered for a minute, by local port, where there are so many that they look like something.
tw=
while read -r name a b c d e count rest; do [ "$name" != TCP: ] || tw=$count; done 2>/dev/null </proc/net/sockstat
if [ "${tw:-0}" -ge 100 ] 2>/dev/null; then
  ss -Htan state time-wait 2>/dev/null | awk '
    { sub(/.*:/, "", $3); n[$3]++ }
    END { for (p in n) if (n[p] >= 100 && ++k <= 64) print "time-wait", p, n[p] }'
fi

echo @ps
{ grep -s '^Uid:' /proc/[0-9]*/status; cat /proc/[0-9]*/stat 2>/dev/null; } | awk '
  /^\/proc\/[0-9]+\/status:Uid:/ { split($1, p, "/"); uid[p[3]] = $3; next }
  {
    pid = $1
    if (pid !~ /^[0-9]+$/ || !match($0, /.*\)/)) next
    comm = substr($0, length(pid) + 3, RLENGTH - length(pid) - 3)
    n = split(substr($0, RLENGTH + 2), f, " ")
    if (n < 20 || int(f[7] / 2097152) % 2 == 1) next
    print pid, f[2], (pid in uid) ? uid[pid] : "?", f[1], f[20], comm
  }' || echo '!broken'

# Arguments can hold secrets: the command and its first plain word are kept, and PM2 daemons titles whole.
echo @args
args=$(ps -ww -eo pid=,args= 2>/dev/null || ps -o pid,args 2>/dev/null)
if [ -n "$args" ]; then
  printf '%s\n' "$args" | awk '
    $1 !~ /^[0-9]+$/ { next }
    {
      pid = $1
      sub(/^ *[0-9]+ +/, "")
      if ($0 ~ /^PM2 v[^ ]*: God Daemon \(/) { print pid, substr($0, 1, 1024); next }
      if ($0 ~ /^\[/) next
      n = split($0, w, " ")
      s = substr(w[1], 1, 200)
      for (i = 2; i <= n; i++)
        if (w[i] !~ /^-/ && w[i] !~ /[=@]|:\/\// && (i == 2 || w[i - 1] !~ /^-/)) { s = s " " substr(w[i], 1, 400); break }
      print pid, s
    }'
else
  echo '!missing ps'
fi

echo @cwd
ls -ldq /proc/[0-9]*/cwd 2>/dev/null | sed -n 's|^[^/]*/proc/\([0-9][0-9]*\)/cwd -> \(..*\)$|\1 \2|p' | grep -v '^[0-9]* /$' | cut -c1-1024

# Of environments only these keys leave the host, and only those of processes that PM2 started.
echo @env
keys='^(pm_id|name|namespace|PM2_HOME|restart_time|unique_id|exec_mode|pm_cwd|pm_exec_path|PORT)='
grep -az x /dev/null >/dev/null 2>&1
if [ $? -le 1 ]; then
  grep -azsHE "$keys" /proc/[0-9]*/environ | tr '\n\0' '\001\n'
else
  for f in $(grep -ls 'PM2_HOME=' /proc/[0-9]*/environ 2>/dev/null); do
    tr '\n\0' '\001\n' 2>/dev/null <"$f" | grep -E "$keys" | sed "s|^|$f:|"
  done
fi | awk '
  match($0, /^\/proc\/[0-9]+\/environ:/) {
    split($0, p, "/")
    kv = substr($0, RLENGTH + 1)
    if (kv !~ /^(pm_id|name|namespace|PM2_HOME|restart_time|unique_id|exec_mode|pm_cwd|pm_exec_path|PORT)=/) next
    n++; pid[n] = p[3]; line[n] = substr(kv, 1, 1024)
    if (kv ~ /^pm_id=/) managed[p[3]] = 1
  }
  END { for (i = 1; i <= n; i++) if ((pid[i] in managed) || line[i] ~ /^PM2_HOME=/) print pid[i], line[i] }'

echo @sock
if s=$(ss -Hltnpe 2>/dev/null); then
  echo '!ss'
  [ -z "$s" ] || printf '%s\n' "$s" | cut -c1-4000 || echo '!broken'
elif [ -r /proc/net/tcp ]; then
  echo '!proc'
  { cat /proc/net/tcp /proc/net/tcp6 2>/dev/null; ls -ln /proc/[0-9]*/fd 2>/dev/null; } | awk '
    $4 == "0A" { print "tcp", $2, $8, $10; want[$10] = 1; next }
    /^\/proc\/[0-9]+\/fd:$/ { split($0, p, "/"); next }
    match($0, /-> socket:\[[0-9]+\]$/) { i = substr($0, RSTART + 11, RLENGTH - 12); if (i in want) print "fd", p[3], i }' || echo '!broken'
else
  echo '!missing ss and /proc/net/tcp'
fi

echo @file
if [ ! -e "$h" ]; then echo 'dir missing'; elif [ -x "$h" ]; then echo 'dir ok'; else echo 'dir denied'; fi
for f in rpc.sock pm2.pid dump.pm2; do
  l=$(ls -ldnq -- "$h/$f" 2>/dev/null) && printf '%s\n' "$l" | awk -v f="$f" '{ print f, substr($1, 1, 10), $3, $4 }'
done
[ -w "$h/rpc.sock" ] && echo 'rpc.writable'
echo "pid $(head -c 12 "$h/pm2.pid" 2>/dev/null | tr -cd 0-9)"
awk '$4 == "00010000" {
    i = $7; path = $0
    for (k = 0; k < 7; k++) sub(/^[^ ]+ +/, "", path)
    if (path == ENVIRON["H"] "/rpc.sock" || (ENVIRON["R"] != "" && path == ENVIRON["R"] "/rpc.sock")) print "listen", i
  }' /proc/net/unix 2>/dev/null || echo '!missing /proc/net/unix'

# The saved list: of each app name, namespace, script and directory; everything else in it may be secret.
echo @dump
if [ ! -e "$h/dump.pm2" ]; then
  echo '!missing'
elif [ ! -r "$h/dump.pm2" ]; then
  echo '!denied'
else
  head -c 4194304 "$h/dump.pm2" | tr '\n\r\t' '   ' | fold -b -w 2048 | awk '
    { s = $0
      while (s != "") {
        if (inside) {
          if (skip) { if (keep) buf = buf substr(s, 1, 1); s = substr(s, 2); skip = 0; continue }
          if (!match(s, /["\\]/)) { if (keep) buf = buf s; break }
          c = substr(s, RSTART, 1)
          if (keep) buf = buf substr(s, 1, RSTART - 1)
          s = substr(s, RSTART + 1)
          if (c == "\\") { if (keep) buf = buf c; skip = 1; continue }
          inside = 0
          if (depth == 2 && want == "key") key = buf
          else if (depth == 2 && key ~ /^(name|namespace|pm_cwd|pm_exec_path)$/) print key " \"" substr(buf, 1, 1024) "\""
          continue
        }
        if (!match(s, /["{}:,\[\]]/)) break
        c = substr(s, RSTART, 1); s = substr(s, RSTART + 1)
        if (c == "\"") { inside = 1; buf = ""; keep = depth == 2 && (want == "key" || key ~ /^(name|namespace|pm_cwd|pm_exec_path)$/) }
        else if (c == "{" || c == "[") { depth++; seen = 1; if (depth == 2) { want = "key"; key = "" } }
        else if (c == "}" || c == "]") { depth--; if (depth == 1 && c == "}") print "app" }
        else if (depth == 2 && c == ":") want = "value"
        else if (depth == 2 && c == ",") { want = "key"; key = "" }
      }
    }
    END { print (seen && depth == 0 && !inside) ? "!whole" : "!broken" }'
fi

echo @cli
d=$(printf '%s\n' "$args" | awk '{ p = $1; sub(/^ *[0-9]+ +/, "") } $0 ~ /^PM2 v[^ ]*: God Daemon \(/ && (index($0, "(" ENVIRON["H"] ")") || (ENVIRON["R"] != "" && index($0, "(" ENVIRON["R"] ")"))) { print p; exit }')
p=$(command -v pm2 2>/dev/null)
if [ -z "$p" ] && [ -n "$d" ]; then
  path=$(tr '\n\0' '\001\n' 2>/dev/null <"/proc/$d/environ" | sed -n 's/^PATH=//p')
  p=$(PATH=$path; command -v pm2 2>/dev/null)
fi
if [ -n "$p" ]; then
  echo "path $p"
  t=$(readlink -f -- "$p" 2>/dev/null)
  echo "version $(sed -n 's/^ *"version": *"\([0-9A-Za-z.+-]*\)".*/\1/p' "${t%/bin/pm2}/package.json" 2>/dev/null | head -n 1)"
fi
echo @end
)
