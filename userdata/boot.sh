#!/bin/bash
# Boots a backend instance. cloud-init runs this script once, as root, on Amazon Linux 2 and 2023, and writes its output
# to /var/log/cloud-init-output.log. User data must not contain secrets.
#
# Settings, assigned above this line:
#   REGION             AWS region
#   REPOSITORY_URL     ECR repository of the image
#   RELEASE_PARAMETER  SSM parameter with the image tag to run; "none" before the first release
#   PARAMETER_PATH     each SSM parameter under it is an environment variable, named after its last component
#   LOG_GROUP          log group of the container and of boot failures
#   PORT               port of the container, where the load balancer connects
#   HEALTH_CHECK_PATH  path of the load balancer's health check
#   ENVIRONMENT        environment variables that are not secret, one KEY=value per line; may be empty
#   DOCKER_BRIDGE      address and range of Docker's bridge; empty: Docker's default, 172.17.0.1/16
#   ROOT               prefix of every absolute path; empty on an instance

set -euo pipefail
: "${REGION:?}" "${REPOSITORY_URL:?}" "${RELEASE_PARAMETER:?}" "${PARAMETER_PATH:?}" "${LOG_GROUP:?}"
: "${PORT:?}" "${HEALTH_CHECK_PATH:?}" "${ENVIRONMENT?}" "${DOCKER_BRIDGE?}" "${ROOT:=}"
# A-Z matches ASCII letters only, and messages are in English.
export LC_ALL=C

UNITS=$ROOT/etc/systemd/system
STEP='create a temporary directory' REASON='' TEMP_DIR='' INSTANCE_ID=unknown LOCALE=C

log() { printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1"; }
step() { STEP=$1; log "$1"; }
fail() { REASON=$1; exit 1; }

# The AWS CLI of Amazon Linux 2 runs on Python 2.7, which prints non-ASCII values only in a UTF-8 locale.
aws() { env LC_ALL="$LOCALE" aws "$@" --region "$REGION" --cli-connect-timeout 10; }

# The Auto Scaling group replaces an instance that fails, so the reason also goes to the log group. No sequence token is
# needed: https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
report() {
  local message stream=(--log-group-name "$LOG_GROUP" --log-stream-name "$INSTANCE_ID/boot")
  message=$(printf '%s' "$1" | tr '[:cntrl:]' ' ' | sed 's/[\\"]/\\&/g')
  aws logs create-log-stream "${stream[@]}"
  aws logs put-log-events "${stream[@]}" --log-events "[{\"timestamp\":$(date +%s)000,\"message\":\"$message\"}]"
} >/dev/null 2>&1

on_exit() {
  local status=$? line
  set +e
  rm -rf "$TEMP_DIR"
  if ((status != 0)); then
    line="boot failed: cannot $STEP: ${REASON:-exit status $status}"
    log "$line"
    report "$line"
  fi
  exit "$status"
}
trap on_exit EXIT

# attempt TRIES COMMAND... stores the output in OUTPUT and does not print it, because it may be secret. Six tries wait
# 62 s in total: a route, an endpoint or the role's policy can be newer than the instance.
attempt() {
  local tries=$1 try=1 pause=2 why
  shift
  until OUTPUT=$("$@" 2>"$TEMP_DIR/errors"); do
    why=$(sed '/^[[:space:]]*$/d' "$TEMP_DIR/errors" | tail -n 1)
    why=${why:-$1 printed no error message}
    if ((try == tries)); then fail "$why"; fi
    log "attempt $try of $tries failed: $why; retrying in $pause s"
    sleep "$pause"
    try=$((try + 1)) pause=$((pause * 2))
  done
}
run() { attempt 1 "$@"; }
retry() { attempt 6 "$@"; }

# write_file PATH MODE writes standard input to a file, atomically.
write_file() {
  local new
  new=$(mktemp "$1.XXXXXX")
  cat >"$new"
  chmod "$2" "$new"
  mv -f "$new" "$1"
}

# systemd 219 (Amazon Linux 2) has no enable --now. In a second run, restart applies the changes.
start_service() {
  run systemctl daemon-reload
  run systemctl enable "$1"
  run systemctl restart "$1"
}

remove_service() {
  if [[ ! -e $UNITS/$1.service ]]; then return; fi
  run systemctl disable "$1"
  run systemctl stop "$1"
  rm "$UNITS/$1.service"
}

print_lines() { if [[ -n $1 ]]; then printf '%s\n' "$1"; fi; }

# https://docs.aws.amazon.com/linux/al2/ug/ident-os-release.html
os_version() {
  # shellcheck source=/dev/null
  . "$ROOT/etc/os-release" && printf '%s' "$ID $VERSION_ID"
}

install_docker() {
  if [[ $OS_VERSION == 'amzn 2023' ]]; then
    dnf install -y docker
  elif command -v amazon-linux-extras; then
    amazon-linux-extras install -y docker
  else
    yum install -y docker
  fi
}

# decode_parameters prints the parameters in OUTPUT, the JSON of the AWS CLI, as lines: NAME, a tab, the value. Text output would
# not tell a newline in a value from the next value. Only a pipe has no copy on a disk: Bash 4 writes here-strings to files.
decode_parameters() {
  printf '%s' "$OUTPUT" | "$PYTHON" -c '
import json, re, sys
for name, value in json.load(getattr(sys.stdin, "buffer", sys.stdin)):
    value = value[:-1] if value.endswith("\n") else value  # the one that editors add to a file
    if re.search("[\r\n]", value):
        sys.exit("the value of " + name + " contains a newline or a carriage return")
    line = name + "\t" + value + "\n"
    getattr(sys.stdout, "buffer", sys.stdout).write(line.encode("utf-8"))
'
}

# https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html
ecr_login() {
  local password
  password=$(aws ecr get-login-password) || return
  printf '%s' "$password" | docker login --username AWS --password-stdin "${REPOSITORY_URL%%/*}"
}

# /run is in memory: secrets in temporary files are not written to a disk.
TEMP_DIR=$(mktemp -d "$ROOT/run/starttech.XXXXXX")

step 'identify the instance'
run cat "$ROOT/var/lib/cloud/data/instance-id"
INSTANCE_ID=$OUTPUT
run os_version
OS_VERSION=$OUTPUT
case $OS_VERSION in
  'amzn 2') LOCALE=en_US.UTF-8 ;;
  'amzn 2023') LOCALE=C.UTF-8 ;;
  *) fail "unsupported operating system $OS_VERSION; use an Amazon Linux 2 or 2023 AMI" ;;
esac

step 'install Docker'
if ! command -v docker >/dev/null; then retry install_docker; fi
DOCKER=$(command -v docker) || fail 'docker is not on PATH after its installation'

step 'start Docker'
DOCKER_JOB=start DAEMON_FILE=$ROOT/etc/docker/daemon.json DAEMON="{\"bip\": \"$DOCKER_BRIDGE\"}"
if [[ -n $DOCKER_BRIDGE && ! (-e $DAEMON_FILE && $(cat "$DAEMON_FILE") == "$DAEMON") ]]; then
  install -d "$ROOT/etc/docker"
  write_file "$DAEMON_FILE" 0644 <<<"$DAEMON"
  DOCKER_JOB=restart # if the image has started Docker already
fi
run systemctl enable docker
run systemctl "$DOCKER_JOB" docker

# Some of the script's own files contain secrets. Packages set their own modes.
umask 077

step "read $RELEASE_PARAMETER"
retry aws ssm get-parameter --name "$RELEASE_PARAMETER" --query Parameter.Value --output text
RELEASE=$OUTPUT

# Amazon Linux 2 may have only Python 2.7. Here, 2 and 3 differ only in the names of modules and in the type of text.
PYTHON=$(command -v python3 || command -v python) || fail 'neither python3 nor python is on PATH'

if [[ $RELEASE == none ]]; then
  step 'start the placeholder'
  install -d -m 0755 "$ROOT/usr/local/lib/starttech"
  write_file "$ROOT/usr/local/lib/starttech/placeholder.py" 0644 <<'EOF'
"""placeholder.py ADDRESS PORT HEALTH_CHECK_PATH responds until the backend's first release."""
import sys

try:
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from socketserver import ThreadingMixIn
except ImportError:
    from BaseHTTPServer import BaseHTTPRequestHandler, HTTPServer
    from SocketServer import ThreadingMixIn

address, port, health = sys.argv[1:]


class Handler(BaseHTTPRequestHandler):
    timeout = 10  # seconds, for clients that send nothing

    def respond(self):
        # Closing with an unread body resets the connection, and the load balancer responds with 502.
        self.rfile.read(min(int(self.headers.get('Content-Length') or 0), 1 << 20))
        healthy = self.path == health
        body = b'no release yet: the backend responds here after its first release\n'
        self.send_response(200 if healthy else 503)
        self.send_header('Content-Type', 'text/plain; charset=utf-8')
        self.send_header('Content-Length', str(len(body)))
        self.send_header('Cache-Control', 'no-store')
        if not healthy:
            self.send_header('Retry-After', '60')
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = respond

    def log_message(self, *args):
        pass  # health checks would fill the journal


class Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True


Server((address, int(port)), Handler).serve_forever()
EOF
  write_file "$UNITS/starttech-placeholder.service" 0644 <<EOF
[Unit]
Description=StartTech placeholder until the first release
After=network.target

[Service]
ExecStart=$PYTHON $ROOT/usr/local/lib/starttech/placeholder.py 0.0.0.0 $PORT $HEALTH_CHECK_PATH
User=nobody
NoNewPrivileges=yes
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
EOF
  remove_service starttech-backend
  start_service starttech-placeholder
  log 'boot complete: no release yet'
  exit 0
fi

TAG='^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$'
[[ $RELEASE =~ $TAG ]] || fail "'$RELEASE' is not an image tag; set the parameter to a tag or to none"
IMAGE=$REPOSITORY_URL:$RELEASE

step "read the parameters under $PARAMETER_PATH"
declare -A VALUES=() SOURCES=()
NAME='[A-Za-z_][A-Za-z0-9_]*'
while IFS= read -r line; do
  [[ $line =~ ^$NAME= ]] || fail "ENVIRONMENT: '${line%%=*}' is not a variable name ($NAME)"
  VALUES[${line%%=*}]=${line#*=}
done < <(print_lines "$ENVIRONMENT")
VALUES[PORT]=$PORT

retry aws ssm get-parameters-by-path --path "$PARAMETER_PATH" --recursive --with-decryption \
  --query 'Parameters[].[Name,Value]' --output json
run decode_parameters
while IFS= read -r line; do
  parameter=${line%%$'\t'*} value=${line#*$'\t'}
  key=${parameter##*/}
  [[ $key =~ ^$NAME$ ]] || fail "the last component of $parameter is not a variable name ($NAME); rename it"
  [[ -z ${SOURCES[$key]:-} ]] || fail "${SOURCES[$key]} and $parameter both set the variable $key; delete one of them"
  [[ $key != PORT || $value == "$PORT" ]] || fail "$parameter must be $PORT, where the load balancer connects"
  SOURCES[$key]=$parameter VALUES[$key]=$value
done < <(print_lines "$OUTPUT")

# The image's user, not root, reads the file through a bind mount, so every user may read it. On the host, only root may
# enter its directory.
install -d -m 0700 "$ROOT/etc/starttech"
ENV_FILE=$ROOT/etc/starttech/backend.env
KEYS=$(printf '%s\n' "${!VALUES[@]}" | sort)
write_file "$ENV_FILE" 0444 < <(for key in $KEYS; do printf '%s=%s\n' "$key" "${VALUES[$key]}"; done)
log "environment variables: ${KEYS//$'\n'/ }"

step "pull $IMAGE"
# docker login stores the password in the temporary directory, which on_exit removes.
export DOCKER_CONFIG=$TEMP_DIR
retry ecr_login
retry docker pull "$IMAGE"
run docker inspect --format '{{.Config.User}} {{.Config.WorkingDir}}' "$IMAGE"
WORKING_DIR=${OUTPUT#* }
WORKING_DIR=${WORKING_DIR:-/}
# Other users have no capabilities. Without them, root can neither become another user nor use files of others that it may not; it
# can listen on PORT, which is at least 1024: https://man7.org/linux/man-pages/man7/capabilities.7.html
CAPABILITIES=
case ${OUTPUT%% *} in '' | root | root:* | 0 | 0:*) CAPABILITIES=' --cap-drop ALL' ;; esac
# Spaces, quotes, % and $ are special in a unit, and a colon is special in --volume.
[[ $WORKING_DIR =~ ^/[A-Za-z0-9_./-]*$ ]] || fail "the image's WORKDIR is '$WORKING_DIR'; allowed: A-Z a-z 0-9 _ . / -"

step 'start the backend'
# A quarter of the memory is for the system, Docker and the agent. The first line is MemTotal, in KiB:
# https://docs.kernel.org/filesystems/proc.html#meminfo
read -r _ MEMORY _ <"$ROOT/proc/meminfo"
# The backend exits if it cannot reach its database, so systemd restarts it without a limit. StartLimitInterval is the
# name in systemd 219; newer versions accept it. Wants, not Requires: the backend also restarts after Docker does.
#   StandardOutput=null  CloudWatch has it; Docker's own errors go to the journal
#   --volume             some libraries read only the variables that .env in the working directory lists
#   no-new-privileges    setuid programs in the image do not help an intruder
#   memory, pids-limit   a leak ends the container, which restarts, and not the instance; 1024 processes and threads
#   non-blocking         the backend never waits for CloudWatch: https://docs.docker.com/engine/logging/configure/
# No --init: a Go server has no child processes to reap, and docker run forwards SIGTERM. No --read-only: the application
# may write files.
write_file "$UNITS/starttech-backend.service" 0644 <<EOF
[Unit]
Description=StartTech backend $RELEASE
Wants=docker.service
After=docker.service

[Service]
ExecStartPre=-$DOCKER rm --force backend
ExecStart=$DOCKER run --rm --name backend \\
  --env-file $ENV_FILE --volume $ENV_FILE:${WORKING_DIR%/}/.env:ro \\
  --publish $PORT:$PORT --security-opt no-new-privileges$CAPABILITIES \\
  --memory $((MEMORY * 3 / 4))k --pids-limit 1024 \\
  --log-driver awslogs --log-opt awslogs-region=$REGION --log-opt awslogs-group=$LOG_GROUP \\
  --log-opt awslogs-stream=$INSTANCE_ID/$RELEASE --log-opt mode=non-blocking --log-opt max-buffer-size=25m \\
  $IMAGE
Restart=always
RestartSec=5
StartLimitInterval=0
StandardOutput=null
StandardError=journal

[Install]
WantedBy=multi-user.target
EOF
remove_service starttech-placeholder
start_service starttech-backend
log "boot complete: $RELEASE"
