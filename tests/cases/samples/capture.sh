#!/bin/bash
# Captures the samples beside it from real PM2 processes in namespaces of their own (needs root, node, python3).
# usage: capture.sh DIR-WITH-node_modules/pm2 OUT-DIR [SCENARIO]
set -u
if [ -z "${INSIDE:-}" ]; then
  self=$(readlink -f "$0"); tree=$(cd "$(dirname "$self")/../../.." && pwd)
  export INSIDE=1 LAB=$1 OUT=$2 PROBE=$tree/src/read/pm2_host.sh SELF=$self
  exec unshare --pid --net --mount --fork --kill-child --mount-proc bash "$self" "${3:-}"
fi
ip link set lo up
mount -t tmpfs tmpfs /home; mkdir -p /opt/pm2 /home/app; mount --bind "$LAB" /opt/pm2
printf 'root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n' >/tmp/.passwd.$$; mount --bind /tmp/.passwd.$$ /etc/passwd
P=/opt/pm2/node_modules/.bin
as() { (cd /home/app && exec setpriv --reuid 1000 --regid 1000 --clear-groups env -i HOME=/home/app USER=app PATH="$P:/usr/local/bin:/usr/bin:/bin" "$@"); }
pm2() { as pm2 "$@" >/dev/null 2>&1; }
for d in proxy-service backend; do
  mkdir -p /home/app/$d
  cat >/home/app/$d/server.js <<'JS'
const http = require('http'); const boot = Number(process.env.BOOT || 0);
setTimeout(() => http.createServer((q, s) => s.end(String(process.pid))).listen(Number(process.env.PORT || 3000)), boot);
JS
  echo '{"name":"'$d'","version":"1.4.2","scripts":{"start":"node server.js"}}' >/home/app/$d/package.json
done
chown -R 1000:1000 /home/app
snap() { # NAME [N-th look]
  as PM2_HOME_DIR="${HOMEDIR:-~/.pm2}" dash "$PROBE" >"$OUT/$1.probe" 2>/dev/null
  as python3 /opt/pm2/rpc.py getMonitorData "${SOCK:-/home/app/.pm2/rpc.sock}" >"$OUT/$1.rpc.json" 2>"$OUT/$1.err" || rm "$OUT/$1.rpc.json"
  tail -n 1 "$OUT/$1.err" | grep . || true; [ -s "$OUT/$1.err" ] || rm "$OUT/$1.err"
  rm -f "$OUT/$1.err"
}
act() { # VERB NAME=VALUE...: the script that changes, with a PATH in which pm2 is not
  (cd /home/app && exec setpriv --reuid 1000 --regid 1000 --clear-groups env -i HOME=/home/app PATH=/usr/bin:/bin PM2_HOME_DIR='~/.pm2' VERB="$1" BACKUP=yes SAVE=yes "${@:2}" dash "${PROBE%read/*}steps/pm2/act.sh") >/tmp/.act.$$ 2>&1
  echo "act $*: status $?, $(grep '^runbook:' /tmp/.act.$$)"; rm -f /tmp/.act.$$
}
start() { as env PORT="$3" ${BOOT:+BOOT=$BOOT} pm2 start "/home/app/$2/server.js" --name "$1" --cwd "/home/app/$2" "${@:4}" >/dev/null 2>&1; }
base() { start proxy-service proxy-service 3000; start backend backend 3001; pm2 save; sleep 1.5; }
case $1 in
  healthy) base; snap healthy; sleep 2.5; snap healthy-2; sleep 5; snap healthy-3 ;;
  dup-loop) base; BOOT=900 start proxy-server proxy-service 3000 -f; pm2 save; sleep 2; snap dup-loop; sleep 2.5; snap dup-loop-2
    act delete APP_ID=3 APP_NAME=proxy-server; act delete APP_ID=2 APP_NAME=backend
    act delete APP_ID=2 APP_NAME=proxy-server SAVE=no; snap dup-loop-unsaved
    pm2 save; snap dup-loop-fixed; pm2 restart backend; sleep 1; snap dup-loop-neighbour ;;
  dup-loop-act) base; BOOT=900 start proxy-server proxy-service 3000 -f; pm2 save; sleep 2
    act delete APP_ID=2 APP_NAME=proxy-server; as ls -l .pm2; as pm2 ls; as grep -c '"name": "proxy-server"' .pm2/dump.pm2 .pm2/dump.pm2.before-runbook ;;
  dup-errored) base; start proxy-server proxy-service 3000 -f --max-restarts 5 ; sleep 4; snap dup-errored; sleep 2.5; snap dup-errored-2 ;;
  wrong-holder) start proxy-server proxy-service 3000; sleep 1; start proxy-service proxy-service 3000 -f --max-restarts 5; sleep 5; snap wrong-holder; sleep 2.5; snap wrong-holder-2 ;;
  backing-off) base; start proxy-server proxy-service 3000 -f --restart-delay 60000; sleep 2; snap backing-off; sleep 2.5; snap backing-off-2 ;;
  errored) base; pm2 stop 0; python3 -c "
import socket,time
s=socket.socket(); s.bind(('0.0.0.0',3999)); s.listen(); time.sleep(0.1)"
    echo 'throw 1' >/home/app/proxy-service/server.js; pm2 restart 0; sleep 5; snap errored; sleep 2.5; snap errored-2 ;;
  verbs) base; snap verbs; E="ENTRY_CWD=/home/app/proxy-service ENTRY_SCRIPT=/home/app/proxy-service/server.js"
    act restart APP_ID=0 APP_NAME=proxy-service $E; sleep 1.5; snap verbs-restarted; act stop APP_ID=0 APP_NAME=proxy-service; sleep 0.5; snap verbs-stopped
    act delete APP_ID=0 APP_NAME=proxy-service; sleep 0.5; snap verbs-deleted ;;
  reload) start proxy-service proxy-service 3000 -i 2; pm2 save; sleep 2; snap reload; E="ENTRY_CWD=/home/app/proxy-service ENTRY_SCRIPT=/home/app/proxy-service/server.js"
    act reload APP_ID=0 APP_NAME=proxy-service $E SAVE=no; act reload APP_ID=1 APP_NAME=proxy-service $E; sleep 1.5; snap reload-done ;;
  stopped) base; pm2 stop 0; sleep 0.5; snap stopped; sleep 2.5; snap stopped-2; act restart APP_ID=0 APP_NAME=proxy-service ENTRY_CWD=/home/app/proxy-service ENTRY_SCRIPT=/home/app/proxy-service/server.js; sleep 1.5; snap stopped-started; sleep 2.5; snap stopped-started-2 ;;
  absent) start backend backend 3001; sleep 1; snap absent; sleep 1; echo 'module.exports={apps:[{name:"proxy-service",script:"server.js",env:{PORT:3000}},{name:"other",script:"server.js"}]}' >/home/app/proxy-service/ecosystem.config.js
    act start APP_NAME=proxy-service START_CWD='~/proxy-service' CONFIG=ecosystem.config.js NAMESPACE=; sleep 1.5; snap absent-started ;;
  no-daemon) snap no-daemon ;;
  foreign) start backend backend 3001; as env PORT=3000 setsid node proxy-service/server.js & sleep 1.5; snap foreign; start proxy-service proxy-service 3000 -f --max-restarts 3; sleep 4; snap foreign-errored; sleep 2.5; snap foreign-errored-2 ;;
  hidden) base; pm2 delete 0; PORT=3000 setsid node /home/app/proxy-service/server.js & sleep 3; snap hidden ;;
  other-daemon) start backend backend 3001; as env PM2_HOME=/home/app/.pm2-other PORT=3000 pm2 start /home/app/proxy-service/server.js --name proxy-service --cwd /home/app/proxy-service >/dev/null 2>&1; sleep 1.5; snap other-daemon ;;
  orphan) as env PORT=3000 pm2 start /usr/bin/npm --name proxy-service --cwd /home/app/proxy-service -- start >/dev/null 2>&1; pm2 save; sleep 2.5; snap npm; sleep 2.5; snap npm-2
    kill -9 $(pgrep -f 'God Daemon'); sleep 3.5; snap orphan-no-daemon; start backend backend 3001; sleep 1.5; snap orphan ;;
  cluster) start proxy-service proxy-service 3000 -i 2; start backend backend 3001; sleep 2; snap cluster; sleep 2.5; snap cluster-2
    start proxy-server proxy-service 3000 -f -i 1; sleep 2; snap cluster-split; sleep 2.5; snap cluster-split-2 ;;
  lost-socket) base; rm /home/app/.pm2/rpc.sock; snap lost-socket; act delete APP_ID=0 APP_NAME=proxy-service; pm2 ping; sleep 1; snap several ;;
  daemon-stopped) base; kill -STOP $(pgrep -f 'God Daemon'); sleep 0.3; snap daemon-stopped; act delete APP_ID=0 APP_NAME=proxy-service; kill -CONT $(pgrep -f 'God Daemon') ;;
  daemon-killed) base; kill -9 $(pgrep -f 'God Daemon'); sleep 3.5; snap daemon-killed ;;
  not-ours) mkdir -p /srv; mount -t tmpfs tmpfs /srv; mkdir /srv/pm2; PM2_HOME=/srv/pm2 HOME=/root PATH="$P:$PATH" /opt/pm2/node_modules/.bin/pm2 ping >/dev/null 2>&1; sleep 1; HOMEDIR=/srv/pm2 SOCK=/srv/pm2/rpc.sock snap not-ours ;;
  lost) as env PORT=3000 pm2 start /usr/bin/npm --name proxy-service --cwd /home/app/proxy-service -- start >/dev/null 2>&1; pm2 save; sleep 2.5; kill -9 "$(cat /home/app/.pm2/pm2.pid)"
    sleep 3.5; start backend backend 3001; sleep 1.5; snap lost; p=$(sed -n 's/.*:3000 .*pid=\([0-9]*\),.*/\1/p' "$OUT/lost.probe"); t=$(sed 's/.*) //' "/proc/$p/stat" | cut -d ' ' -f 20)
    (cd /home/app && exec setpriv --reuid 1000 --regid 1000 --clear-groups setsid -w env -i HOME=/home/app PATH=/usr/bin:/bin TARGET_PID="$p" TARGET_START="$t" TARGET_CWD=/home/app/proxy-service TARGET_PM2_HOME=/home/app/.pm2 TARGET_PM_ID=0 LISTEN_PORT=3000 SIGNAL=TERM GRACE=1000 dash "${PROBE%read/*}steps/free_port/act.sh")
    snap lost-ended ;;
  replace) start proxy-server proxy-service 3000; start backend backend 3001; sleep 1; BOOT=700 start proxy-service proxy-service 3000 -f --max-restarts 4; pm2 save; sleep 9; snap replace
    act replace APP_ID=0 APP_NAME=proxy-server NEXT_ID=2 NEXT_NAME=proxy-service NEXT_CWD=/home/app/proxy-service NEXT_SCRIPT=/home/app/proxy-service/server.js NEXT_CLUSTER=no LISTEN_PORT=3000 LISTEN_WAIT=10; sleep 1; snap replace-done ;;
  replace-back) start proxy-server proxy-service 3000; start backend backend 3001; sleep 1; mkdir /home/app/other; echo 'setInterval(()=>{},1000)' >/home/app/other/server.js; start proxy-service other 3000; pm2 save; sleep 3; snap replace-deaf
    act replace APP_ID=0 APP_NAME=proxy-server NEXT_ID=2 NEXT_NAME=proxy-service NEXT_CWD=/home/app/other NEXT_SCRIPT=/home/app/other/server.js NEXT_CLUSTER=no LISTEN_PORT=3000 LISTEN_WAIT=5; sleep 1; snap replace-back ;;
  same-name) base; start proxy-service proxy-service 3000 -f --max-restarts 4; sleep 4; snap same-name; sleep 2.5; snap same-name-2 ;;
  not-listening) start backend backend 3001; echo 'setInterval(()=>{},1000)' >/home/app/proxy-service/server.js; start proxy-service proxy-service 3000; sleep 1.5; snap not-listening; sleep 2.5; snap not-listening-2 ;;
  missing-cwd) base; pm2 stop 0; mv /home/app/proxy-service /home/app/gone; sleep 0.3; snap missing-cwd; act restart APP_ID=0 APP_NAME=proxy-service ENTRY_CWD=/home/app/proxy-service ENTRY_SCRIPT=/home/app/proxy-service/server.js ;;
  *) echo "no such scenario: $1" ;;
esac
pkill -KILL node; pkill -KILL -f 'God Daemon'; rm -f /tmp/.passwd.$$
exit 0
