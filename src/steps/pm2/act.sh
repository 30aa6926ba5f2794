# Changes one entry of PM2, or starts one app, and saves the list. Every guard comes before the first pm2 command.
# In: PM2_HOME_DIR VERB=delete|restart|reload|stop|start APP_NAME BACKUP SAVE=yes|no; by id: APP_ID ENTRY_CWD ENTRY_SCRIPT; start: START_CWD CONFIG NAMESPACE
(
LC_ALL=C; NO_COLOR=1; export LC_ALL NO_COLOR
fail() { code=$1; shift; printf 'runbook: %s\n' "$*" >&2; exit "$code"; }
case $PM2_HOME_DIR in
  "~") PM2_HOME=$HOME ;;
  "~/"*) PM2_HOME=$HOME/${PM2_HOME_DIR#??} ;;
  *) PM2_HOME=$PM2_HOME_DIR ;;
esac
export PM2_HOME
REAL=$(cd -P -- "$PM2_HOME" 2>/dev/null && pwd -P) || fail 93 "there is no $PM2_HOME"
export REAL

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

case $VERB in
  delete|restart|reload|stop)
    case $APP_ID in ''|*[!0-9]*) fail 94 "the id is no number" ;; esac
    case $VERB in restart|reload) there "$ENTRY_CWD" "$ENTRY_SCRIPT" ;; esac
    ids=$(run 20 id "$APP_NAME" | tr '\n' ' ' | sed 's/.*\[//; s/\].*//; s/,/ /g')
    case " $ids " in *" $APP_ID "*) ;; *) fail 94 "entry $APP_ID is not $APP_NAME any more" ;; esac ;;
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
  cp -p -- "$PM2_HOME/dump.pm2" "$b.tmp" && mv -f -- "$b.tmp" "$b" || fail 95 "dump.pm2 cannot be backed up"
fi
if [ "$VERB" = start ]; then
  if [ -n "$NAMESPACE" ]; then run 55 start "$CONFIG" --only "$APP_NAME" --namespace "$NAMESPACE"; else run 55 start "$CONFIG" --only "$APP_NAME"; fi
else
  run 55 "$VERB" "$APP_ID"
fi
code=$?
[ $code -eq 0 ] || fail "$code" "pm2 $VERB ended with status $code"
[ "$SAVE" = yes ] || exit 0
run 55 save || fail 96 "pm2 save ended with status $?"
)
