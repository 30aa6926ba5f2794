# What the scripts that follow it share: how PM2 runs the service, who answers for it, and how it is taken away.
set -eu
service="$HOME/proxy-service"
cd "$service"
port=${PORT:-3000}
deployed='fork_mode server.js online'

# How PM2 runs it, or would after a start: mode, script, status and what was added, of each entry.
form() {
  if [ -S "$HOME/.pm2/rpc.sock" ]; then
    pm2 jlist --silent
  else
    cat "$HOME/.pm2/dump.pm2" 2>/dev/null || echo '[]'
  fi | node -e '
    const listed = JSON.parse(require("fs").readFileSync(0, "utf8"));
    const own = listed.filter((app) => app.name === "proxy-service").map((app) => app.pm2_env ?? app);
    const added = (app) => ["START_DELAY", "KILL_SWITCH"].filter((key) => app.env?.[key]).map((key) => `${key}=${app.env[key]}`);
    const words = (app) => [app.exec_mode, require("path").basename(app.pm_exec_path), app.status, ...added(app)].join(" ");
    console.log(own.map(words).join(", "));'
}

# Its pids by its own word, on one line: asks until so many different ones have answered.
answering() {
  WANTED=$1 TRIES=$2 node -e '
    const { HOST = "0.0.0.0", PORT = "3000", WANTED, TRIES } = process.env;
    const host = HOST === "0.0.0.0" ? "127.0.0.1" : HOST;
    const ask = () => new Promise((resolve) => {
      const request = require("http").get({ host, port: PORT, path: "/health", agent: false, timeout: 2000 }, (answer) => {
        let text = "";
        answer.on("data", (part) => (text += part)).on("end", () => resolve(JSON.parse(text).pid));
      });
      request.on("timeout", () => request.destroy()).on("error", () => setTimeout(resolve, 50));
    });
    (async () => {
      const pids = new Set();
      for (let left = Number(TRIES); left > 0 && pids.size < Number(WANTED); left -= 1) {
        const pid = await ask();
        if (pid) pids.add(pid);
      }
      console.log([...pids].join(" "));
      process.exit(pids.size < Number(WANTED) ? 1 : 0);
    })();'
}

wait_for() {
  if ! answering "$1" 400 >/dev/null; then
    echo "$1 of the service's processes should answer on :$port, and do not" >&2
    exit 1
  fi
}

# The processes that were started with both of these in their environment.
started_with() {
  grep -lzsx "$1" /proc/[0-9]*/environ | cut -d / -f 3 | while read -r pid; do
    if grep -qzsx "$2" "/proc/$pid/environ"; then echo "$pid"; fi
  done
}

# Everything that this PM2 has started as the service, whoever is its parent now.
processes() { started_with 'name=proxy-service' "PM2_HOME=$HOME/.pm2"; }

# Out of PM2; and what PM2 has lost, and does not end with it, ends too.
take_away() {
  if [ -S "$HOME/.pm2/rpc.sock" ] && [ -n "$(form)" ]; then
    pm2 delete proxy-service >/dev/null
  fi
  tries=0
  while [ -n "$(processes)" ]; do
    tries=$((tries + 1))
    if [ "$tries" -ge 100 ]; then
      echo "these processes of the service do not end: $(processes | tr '\n' ' ')" >&2
      exit 1
    fi
    # one that ended in between is what is wanted
    kill "-$([ "$tries" -lt 50 ] && echo TERM || echo KILL)" $(processes) 2>/dev/null || true
    sleep 0.1
  done
}
