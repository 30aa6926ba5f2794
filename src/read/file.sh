# Looks at one path and at every directory on the way to it. Opens nothing: not the file, no FIFO, no device.
# In: FILE_PATH (`~/` is the acting user's home), FILE_USERS (names or numbers, a line each).
# Out: records that end in NUL: a word, a blank, and a value with any bytes in it; the last one is `end`.
(
LC_ALL=C; export LC_ALL
unset GREP_OPTIONS QUOTING_STYLE TIME_STYLE BLOCK_SIZE BLOCKSIZE DF_BLOCK_SIZE PS_FORMAT PS_PERSONALITY CMD_ENV
nl='
'
put() { printf '%s %s\0' "$1" "$2"; }

case $FILE_PATH in
  "~") p=$HOME ;;
  "~/"*) p=$HOME/${FILE_PATH#??} ;;
  *) p=$FILE_PATH ;;
esac
put path "$p"
put home "$HOME"
put me "$(id -u)"
put now "$(date +%s)"

set -f
IFS=$nl
for user in $FILE_USERS; do
  name=$user
  case $user in
    *[!0-9]*) ;;
    *)
      # not every `id` takes a number; a number without a name has no groups that could be told
      name=$(getent passwd "$user" 2>/dev/null || awk -F: -v id="$user" '$3 == id { print; exit }' /etc/passwd 2>/dev/null)
      name=${name%%:*}
      ;;
  esac
  if [ -n "$name" ] && uid=$(id -u "$name" 2>/dev/null) && groups=$(id -G "$name" 2>/dev/null); then
    put user "$uid:$groups:$user"
  elif [ -z "$name" ]; then
    put user "$user:?:$user"
  else
    put nobody "$user"
  fi
done
IFS=' '

# `MODE UID GID SIZE TIME` of what is there, a link itself; a `+` where an access list says more than the mode.
about() {
  a=$(stat -c '%f %u %g %s %Y' -- "$1" 2>/dev/null) || return 1
  case $a in [0-9a-f]*\ [0-9]*\ [0-9]*\ [0-9]*\ *) ;; *) return 1 ;; esac
  l=$(ls -ld -- "$1" 2>/dev/null)
  l=${l%% *}
  case $l in *+) a="$a +" ;; esac
}

if ! stat -c '%f' / >/dev/null 2>&1; then put lacks stat
elif about "$p"; then
  put self "$a"
  put owner "$(stat -c '%U' -- "$p")"
  put group "$(stat -c '%G' -- "$p")"
elif [ ! -L "$p" ] && [ ! -e "$p" ]; then put none ''
else put lacks "stat of the path"
fi

# The way: every component as the kernel takes it, links followed by hand so that no directory is left out.
if [ -L "$p" ]; then
  t=$(readlink -n -- "$p" && printf x) && put target "${t%x}" || put lacks readlink
fi
cur=
rest=$p
links=0
state=there
while :; do
  if [ -d "$cur/" ]; then
    if about "${cur:-/}"; then put dir "$a $cur/"; else put lacks "stat of $cur/"; fi
  fi
  while :; do case $rest in /*) rest=${rest#/} ;; *) break ;; esac; done
  [ -n "$rest" ] || break
  part=${rest%%/*}
  case $rest in */*) rest=/${rest#*/} ;; *) rest= ;; esac
  case $part in
    .) continue ;;
    ..) cur=${cur%/*}; continue ;;
  esac
  next=$cur/$part
  if [ -L "$next" ]; then
    links=$((links + 1))
    if [ "$links" -gt 40 ]; then state=loop; break; fi
    t=$(readlink -n -- "$next" && printf x) || { state=blind; break; }
    t=${t%x}
    case $t in /*) cur= ;; esac
    rest=$t$rest
  elif [ -e "$next" ]; then
    cur=$next
  else
    if [ -d "${cur:-/}" ] && [ ! -x "${cur:-/}" ]; then state=shut; else state=gone; fi
    cur=$next
    break
  fi
done
put state "$state"
put real "${cur:-/}"
if [ "$state" = there ]; then
  if about "${cur:-/}"; then
    put leads "$a"
    put leads-owner "$(stat -c '%U' -- "${cur:-/}")"
    put leads-group "$(stat -c '%G' -- "${cur:-/}")"
  else
    put lacks "stat of what the path leads to"
  fi
  can=
  [ -r "$p" ] && can=r$can
  [ -w "$p" ] && can=w$can
  [ -x "$p" ] && can=x$can
  put can "$can"
  # the mount it lies on: the last one of the longest path; /proc writes blanks and the like as \ooo
  real=${cur:-/} awk '
    function plain(s,  out, i) {
      out = ""
      while ((i = index(s, "\\")) > 0) {
        o = substr(s, i + 1, 3)
        out = out substr(s, 1, i - 1) sprintf("%c", substr(o, 1, 1) * 64 + substr(o, 2, 1) * 8 + substr(o, 3, 1))
        s = substr(s, i + 4)
      }
      return out s
    }
    {
      m = plain($2)
      r = ENVIRON["real"]
      if (m == "/" || r == m || substr(r, 1, length(m) + 1) == m "/")
        if (length(m) >= best) { best = length(m); flags = "," $4 "," }
    }
    END { if (flags != "") printf "mount %s%c", (flags ~ /,ro,/) ? "ro" : "rw", 0 }' /proc/self/mounts 2>/dev/null
fi
put end ''
)
