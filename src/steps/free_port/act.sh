# Ends one process that PM2 has lost and that holds a TCP port. Every guard is looked at again before each signal.
# In: TARGET_PID TARGET_START TARGET_CWD TARGET_PM2_HOME TARGET_PM_ID LISTEN_PORT SIGNAL=TERM|INT GRACE (hundredths of a second).
# Out: `ended SIGNAL`, `let-go SIGNAL`. 90..95: no signal was sent; 96: it lives on; 97: somebody else listens.
(
LC_ALL=C; export LC_ALL
unset GREP_OPTIONS QUOTING_STYLE TIME_STYLE BLOCK_SIZE BLOCKSIZE DF_BLOCK_SIZE PS_FORMAT PS_PERSONALITY CMD_ENV
say() { printf 'runbook: %s\n' "$*" >&2; }
no() { code=$1; shift; why=$*; return 1; }
number() { case $1 in ''|*[!0-9]*) return 1 ;; esac; }
nap() { sleep 0.1 2>/dev/null || sleep 1; }
now() { read -r clock rest </proc/uptime; at=${clock#*.}; at=$((${clock%.*} * 100 + 1$at - 100)); }

# Only builtins: nothing runs between this look at the start time and the signal after it. The name may hold any character, so
# the fields are counted from its last bracket.
stat_of() {
  text=
  { while IFS= read -r part; do text="$text$part "; done; } 2>/dev/null <"/proc/$1/stat" || return 1
  case $text in *") "*) ;; *) return 1 ;; esac
  set -- ${text##*\) }
  [ $# -ge 20 ] || return 1
  state=$1; parent=$2; session=$4; start=${20}
}
is_it() {
  stat_of "$TARGET_PID" && [ "$start" = "$TARGET_START" ] || return 1
  case $state in Z|X|x) return 1 ;; esac
}
chain() { # PID: it and its ancestors in $up; false where they do not lead to process 1
  up=; p=$1
  while [ "$p" -gt 1 ]; do
    case " $up " in *" $p "*) return 1 ;; esac
    stat_of "$p" || return 1
    up="$up $p"; p=$parent
  done
  [ "$p" -eq 1 ]
}
link() { ls -ldq "$1" 2>/dev/null | sed -n "s|^[^/]*$1 -> ||p"; }
from_it() { # PID: whether it says that PM2 started it under the same number
  its=$(tr '\n\0' '\001\n' 2>/dev/null <"/proc/$1/environ" | grep -E '^(PM2_HOME|pm_id)=')
  printf '%s\n' "$its" | grep -Fqx -- "PM2_HOME=$TARGET_PM2_HOME" && printf '%s\n' "$its" | grep -Fqx -- "pm_id=$TARGET_PM_ID"
}
who() { # the pids that have a socket which listens on the port; `?` for one that may not be seen
  { cat /proc/net/tcp /proc/net/tcp6 2>/dev/null; ls -ln /proc/[0-9]*/fd 2>/dev/null; } | awk -v port="$HEX" '
    $4 == "0A" { n = split($2, a, ":"); if (a[n] "" == port "") want[$10] = 1; next }
    /^\/proc\/[0-9]+\/fd:$/ { split($0, p, "/"); next }
    match($0, /-> socket:\[[0-9]+\]$/) {
      i = substr($0, RSTART + 11, RLENGTH - 12)
      if (i in want) { seen[i] = 1; if (!(p[3] in has)) { has[p[3]] = 1; s = s " " p[3] } }
    }
    END { for (i in want) if (!(i in seen)) { s = s " ?"; break } print substr(s, 2) }'
}

guards() {
  is_it || no 91 "pid $TARGET_PID is no longer the process that was looked at (start time differs, or it has ended)" || return 1

  uids=$(awk '$1 == "Uid:" { print $2, $3, $4, $5 }' "/proc/$TARGET_PID/status" 2>/dev/null)
  me=$(id -u)
  [ "$uids" = "$me $me $me $me" ] || no 93 "pid $TARGET_PID is not of user $me" || return 1
  for ns in net pid; do
    its=$(link "/proc/$TARGET_PID/ns/$ns")
    [ -n "$its" ] && [ "$its" = "$(link "/proc/$$/ns/$ns")" ] ||
      no 93 "pid $TARGET_PID is in another $ns namespace, or in one that may not be seen" || return 1
  done
  [ "$(link "/proc/$TARGET_PID/cwd")" = "$TARGET_CWD" ] || no 93 "pid $TARGET_PID is not in $TARGET_CWD any more" || return 1
  stat_of $$ || no 92 "this shell cannot see itself in /proc" || return 1
  ours=$session
  chain $$
  case " $up " in *" $TARGET_PID "*) no 93 "this very session runs under pid $TARGET_PID" || return 1 ;; esac
  is_it || no 91 "pid $TARGET_PID has ended" || return 1
  [ "$session" != "$ours" ] || no 93 "pid $TARGET_PID belongs to this very session" || return 1

  from_it "$TARGET_PID" || no 94 "pid $TARGET_PID does not say that PM2 started it" || return 1
  titles=$(ps -ww -eo pid=,args= 2>/dev/null || ps -o pid,args 2>/dev/null)
  [ -n "$titles" ] || no 92 "the host has no ps" || return 1
  daemons=$(printf '%s\n' "$titles" | awk '{ p = $1; sub(/^ *[0-9]+ +/, "") } /^PM2 v[^ ]*: God/ { print p }')
  chain "$TARGET_PID" || no 94 "the ancestors of pid $TARGET_PID cannot all be seen" || return 1
  above=$up
  for daemon in $daemons; do
    case " $above " in *" $daemon "*) no 94 "the PM2 daemon $daemon has pid $TARGET_PID" || return 1 ;; esac
    chain "$daemon"
    case " $up " in *" $TARGET_PID "*) no 94 "the PM2 daemon $daemon runs under pid $TARGET_PID" || return 1 ;; esac
  done
  for p in $above; do
    from_it "$p" && continue
    stat_of "$p"
    case $parent:$text in "1:$p (systemd) "*) continue ;; esac
    no 94 "pid $TARGET_PID runs under pid $p, which PM2 did not start with it" || return 1
  done

  holders=$(who)
  [ "$holders" = "$TARGET_PID" ] || no 95 "port $LISTEN_PORT is held by ${holders:-nobody}, not by pid $TARGET_PID alone" || return 1
  is_it || no 91 "pid $TARGET_PID has ended" || return 1
}

gone_in() { # TIME
  now; end=$((at + $1))
  while is_it; do
    now; [ "$at" -lt "$end" ] || return 1
    nap
  done
}

for value in "$TARGET_PID" "$TARGET_START" "$LISTEN_PORT" "$GRACE"; do
  number "$value" || { say "a value is no number"; exit 90; }
done
[ "$TARGET_PID" -gt 1 ] || { say "pid $TARGET_PID is never ended"; exit 90; }
case $SIGNAL in TERM|INT) ;; *) say "no such signal"; exit 90 ;; esac
for t in awk cat grep id ls sed tr; do command -v "$t" >/dev/null 2>&1 || { say "the host lacks $t"; exit 92; }; done
[ -r /proc/net/tcp ] && [ -r /proc/uptime ] || { say "the host lacks /proc"; exit 92; }
HEX=$(printf '%04X' "$LISTEN_PORT")

guards || { say "$why"; exit "$code"; }
kill -s "$SIGNAL" "$TARGET_PID" || { say "pid $TARGET_PID cannot be signalled"; exit 91; }
sent=$SIGNAL; how=ended
if ! gone_in "$GRACE"; then
  holders=$(who)
  case " $holders " in
    *" $TARGET_PID "*)
      guards || { say "SIG$SIGNAL was sent, SIGKILL was not: $why"; exit 96; }
      kill -s KILL "$TARGET_PID" || { say "SIG$SIGNAL was sent, SIGKILL cannot be"; exit 96; }
      sent=KILL
      gone_in 500 || { say "pid $TARGET_PID lives on after SIGKILL, in state $state"; exit 96; } ;;
    *) how=let-go ;; # it has closed the port: whatever it still finishes is in nobody's way
  esac
fi
printf '%s %s\n' "$how" "$sent"

now; end=$((at + 200))
while holders=$(who); [ -n "$holders" ]; do
  now; [ "$at" -lt "$end" ] || { say "port $LISTEN_PORT is held by $holders now"; exit 97; }
  nap
done
)
