# What the scripts beside this one share: processes that they start, and jars. They set `here`, the
# folder of this file, and `dir`, where data, logs and pid files are.
digest=$(cat "$here/pom.xml" "$here/sink/pom.xml" "$here"/http/src/network/ciro/connect/*.java | cksum | cut -d' ' -f1)
jars=${CIRO_KAFKA_JARS:-${XDG_CACHE_HOME:-$HOME/.cache}/ciro/kafka-$digest}
copy='org.apache.maven.plugins:maven-dependency-plugin:3.11.0:copy-dependencies'

fail() {
  echo "kafka: $*" >&2
  exit 1
}

need() {
  command -v "$1" >/dev/null || fail "$1 is not installed; on Debian: apt-get install $2"
}

# ---------------------------------------------------------------- processes

pid_of() {
  cat "$dir/$1.pid" 2>/dev/null || true
}

running() {
  local pid
  pid=$(pid_of "$1")
  [ -n "$pid" ] && kill -0 "$pid" 2>/dev/null
}

# launch NAME COMMAND...: in a session of its own, console in a log file.
launch() {
  local name=$1
  shift
  setsid "$@" >>"$dir/$name.log" 2>&1 </dev/null &
  echo $! >"$dir/$name.pid"
}

# halt NAME SIGNAL: and wait until it is gone.
halt() {
  local pid
  pid=$(pid_of "$1")
  [ -n "$pid" ] || return 0
  kill -"$2" "$pid" 2>/dev/null || true
  for _ in $(seq 200); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  kill -9 "$pid" 2>/dev/null || true
  rm -f "$dir/$1.pid"
}

# await NAME COMMAND...: until the command succeeds; a process that ends before fails with its log.
await() {
  local name=$1 seconds=${CIRO_KAFKA_PATIENCE_S:-180} end
  end=$((SECONDS + seconds))
  shift
  while [ "$SECONDS" -lt "$end" ]; do
    if "$@" >/dev/null 2>&1; then
      return 0
    fi
    running "$name" || break
    sleep 0.2
  done
  tail -n 20 "$dir/$name.log" >&2
  fail "$name did not come up within $seconds s; its log is $dir/$name.log"
}

# For processes that are started often and live shortly: no second compiler, no threads to collect garbage.
jvm=(-XX:+UseSerialGC -XX:TieredStopAtLevel=1 "-Dlog4j2.configurationFile=$here/log4j2.properties")

java_run() {
  java "${jvm[@]}" -Xmx384m -cp "$jars/broker/*" "$@"
}

# ---------------------------------------------------------------- jars

fetch_jars() {
  need java default-jdk-headless
  [ -f "$jars/complete" ] && return 0
  need mvn maven
  rm -rf "$jars"
  mkdir -p "$jars/plugins"
  # Maven's own settings may hold a mirror: nothing here overrides them.
  mvn -q -B -Dstyle.color=never -f "$here/pom.xml" "$copy" "-DoutputDirectory=$jars/broker"
  mvn -q -B -Dstyle.color=never -f "$here/sink/pom.xml" "$copy" -DincludeScope=runtime "-DoutputDirectory=$jars/plugins/jdbc"
  compile_http
  touch "$jars/complete"
}

# Our own sink, which posts rows over HTTP: Maven Central has none.
compile_http() {
  need javac default-jdk-headless
  local classes=$jars/classes source=$here/http/src
  mkdir -p "$classes" "$jars/plugins/http"
  javac -Xlint:all,-classfile -Werror --release 17 -cp "$jars/broker/*" -d "$classes" "$source"/network/ciro/connect/*.java
  cp -r "$source/META-INF" "$classes"
  jar --create --file "$jars/plugins/http/ciro-http-sink.jar" -C "$classes" .
  rm -rf "$classes"
}
