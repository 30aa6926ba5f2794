# Changes one entry of PM2, or starts one app, and saves the list. Every guard comes before the first pm2 command.
# In: PM2_HOME_DIR VERB=delete|restart|reload|stop|start|replace APP_NAME BACKUP SAVE=yes|no; by id: APP_ID ENTRY_CWD ENTRY_SCRIPT;
# start: START_CWD CONFIG NAMESPACE; replace, and a delete that goes before it: NEXT_CWD NEXT_SCRIPT of the entry that is to have the
# port; replace: NEXT_ID NEXT_NAME NEXT_CLUSTER=yes|no LISTEN_PORT LISTEN_WAIT (seconds)
(
LC_ALL=C; NO_COLOR=1; export LC_ALL NO_COLOR
unset GREP_OPTIONS QUOTING_STYLE TIME_STYLE BLOCK_SIZE BLOCKSIZE DF_BLOCK_SIZE PS_FORMAT PS_PERSONALITY CMD_ENV
fail() { code=$1; shift; printf 'runbook: %s\n' "$*" >&2; exit "$code"; }
case $PM2_HOME_DIR in
  "~") PM2_HOME=$HOME ;;
  "~/"*) PM2_HOME=$HOME/${PM2_HOME_DIR#??} ;;
  *) PM2_HOME=$PM2_HOME_DIR ;;
esac
export PM2_HOME
REAL=$(cd -P -- "$PM2_HOME" 2>/dev/null && pwd -P) || fail 93 "there is no $PM2_HOME"
export REAL

for t in awk cat cp grep ls mv ps rm sed tr; do command -v "$t" >/dev/null 2>&1 || fail 92 "the host lacks $t"; done
# pm2 starts a second daemon where it cannot reach the first: no command without exactly one that can answer.
found=$(ps -ww -eo pid=,args= 2>/dev/null | awk '{ p = $1; sub(/^ *[0-9]+ +/, "") }
  $0 ~ /^PM2 v[^ ]*: God Daemon \(/ && (index($0, "(" ENVIRON["PM2_HOME"] ")") || index($0, "(" ENVIRON["REAL"] ")")) { print p }')
set -- $found
[ $# -eq 1 ] || fail 93 "$# daemons for $PM2_HOME instead of one"
daemon=$1
case $(sed 's/.*) //' "/proc/$daemon/stat" 2>/dev/null) in
  T*|t*|Z*|X*|'') fail 93 "the daemon, pid $daemon, is stopped or gone" ;;
esac
[ -S "$PM2_HOME/rpc.sock" ] && [ -w "$PM2_HOME/rpc.sock" ] || fail 93 "the daemon's rpc.sock is gone or not ours"

if ! command -v pm2 >/dev/null 2>&1; then
  its=$(tr '\n\0' '\001\n' 2>/dev/null <"/proc/$daemon/environ" | sed -n 's/^PATH=//p')
  PATH=${its:-$PATH}:$PATH; export PATH
fi
command -v pm2 >/dev/null 2>&1 || fail 92 "pm2 is neither in PATH nor in the daemon's"
command -v timeout >/dev/null 2>&1 || fail 92 "the host has no timeout command"
run() { s=$1; shift; timeout -k 5 "$s" pm2 "$@" </dev/null; }
there() { # a directory that can be entered and a script that can be read, or a restart would say "online" and serve nothing
  [ -d "$1" ] && [ -x "$1" ] || fail 91 "the directory $1 is missing or may not be entered"
  [ -z "$2" ] || [ -r "$2" ] || fail 91 "$2 is missing or may not be read"
}
still() { # ID NAME: whether the entry still has that name
  case $1 in ''|*[!0-9]*) fail 94 "the id is no number" ;; esac
  ids=$(run 20 id "$2" | tr '\n' ' ' | sed 's/.*\[//; s/\].*//; s/,/ /g')
  case " $ids " in *" $1 "*) ;; *) fail 94 "entry $1 is not $2 any more" ;; esac
}
who() { # the pids that have a socket which listens on the port
  { cat /proc/net/tcp /proc/net/tcp6 2>/dev/null; ls -ln /proc/[0-9]*/fd 2>/dev/null; } | awk -v port="$HEX" '
    $4 == "0A" { n = split($2, a, ":"); if (a[n] "" == port "") want[$10] = 1; next }
    /^\/proc\/[0-9]+\/fd:$/ { split($0, p, "/"); next }
    match($0, /-> socket:\[[0-9]+\]$/) { if (substr($0, RSTART + 11, RLENGTH - 12) in want) print p[3] }'
}
above() { # PID: its ancestors that the daemon has, and the daemon
  p=$1; n=0
  while [ "${p:-0}" -gt 1 ] && [ $n -lt 100 ]; do
    echo "$p"; [ "$p" != "$daemon" ] || return 0
    p=$(sed 's/.*) //' "/proc/$p/stat" 2>/dev/null | awk 'NR == 1 { print $2 }'); n=$((n + 1))
  done
  return 1
}
listens() { # whether the next entry has the port: the daemon holds it for workers of a cluster
  for pid in $(who); do
    if [ "$pid" = "$daemon" ]; then [ "$NEXT_CLUSTER" = yes ] && return 0; continue; fi
    above "$pid" >/dev/null || continue
    tr '\n\0' '\001\n' 2>/dev/null <"/proc/$pid/environ" | grep -Fqx "pm_id=$NEXT_ID" && return 0
  done
  return 1
}
comes() { # waits until the next entry has the port
  left=$LISTEN_WAIT
  while [ "$left" -gt 0 ]; do
    listens && return 0
    sleep 1; left=$((left - 1))
  done
  return 1
}

case $VERB in
  delete|restart|reload|stop|replace)
    case $VERB in restart|reload) there "$ENTRY_CWD" "$ENTRY_SCRIPT" ;; replace) there "$NEXT_CWD" "$NEXT_SCRIPT" ;; esac
    [ -z "$NEXT_CWD" ] || there "$NEXT_CWD" "$NEXT_SCRIPT"
    still "$APP_ID" "$APP_NAME"
    if [ "$VERB" = replace ]; then
      still "$NEXT_ID" "$NEXT_NAME"
      case $LISTEN_PORT$LISTEN_WAIT in ''|*[!0-9]*) fail 90 "port or time is no number" ;; esac
      HEX=$(printf '%04X' "$LISTEN_PORT")
    fi ;;
  start)
    case $START_CWD in "~") START_CWD=$HOME ;; "~/"*) START_CWD=$HOME/${START_CWD#??} ;; esac
    there "$START_CWD" ""
    cd -- "$START_CWD" || fail 91 "$START_CWD cannot be entered"
    case $CONFIG in "~/"*) CONFIG=$HOME/${CONFIG#??} ;; -*) CONFIG=./$CONFIG ;; esac
    [ -r "$CONFIG" ] || fail 91 "$CONFIG is missing in $START_CWD or may not be read" ;;
  *) fail 90 "no such verb" ;;
esac

if [ "$BACKUP" = yes ] && [ -e "$PM2_HOME/dump.pm2" ]; then
  b=$PM2_HOME/dump.pm2.before-runbook
  cp -p -- "$PM2_HOME/dump.pm2" "$b.tmp" && mv -f -- "$b.tmp" "$b" || { rm -f -- "$b.tmp"; fail 95 "dump.pm2 cannot be backed up"; }
fi
if [ "$VERB" = start ]; then
  if [ -n "$NAMESPACE" ]; then run 55 start "$CONFIG" --only "$APP_NAME" --namespace "$NAMESPACE"; else run 55 start "$CONFIG" --only "$APP_NAME"; fi
elif [ "$VERB" = replace ]; then
  # the old entry is deleted only once it is not needed any more: until then it can be started again as it was
  if ! { run 55 stop "$APP_ID" && run 55 restart "$NEXT_ID" && comes; }; then
    run 55 stop "$NEXT_ID"
    run 55 restart "$APP_ID" || fail 98 "$NEXT_NAME did not listen on $LISTEN_PORT, and $APP_NAME cannot be started again"
    fail 97 "$NEXT_NAME did not listen on $LISTEN_PORT within $LISTEN_WAIT s: $APP_NAME is started again"
  fi
  run 55 delete "$APP_ID"
else
  run 55 "$VERB" "$APP_ID"
fi
code=$?
case $code in 0) ;; 9[0-5]) fail 1 "pm2 $VERB ended with status $code" ;; *) fail "$code" "pm2 $VERB ended with status $code" ;; esac
[ "$SAVE" = yes ] || exit 0
run 55 save || fail 96 "pm2 save ended with status $?"
)
