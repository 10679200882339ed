#!/bin/bash
# Boots a backend instance: cloud-init runs this once, as root, on Amazon Linux 2 and 2023, and keeps what it prints in
# /var/log/cloud-init-output.log. User data is no place for secrets; there is none here.
#
# Settings, assigned above this line by whoever renders the script:
#   REGION             AWS region
#   REPOSITORY_URL     ECR repository of the image
#   RELEASE_PARAMETER  parameter with the tag to run; "none" before the first release
#   PARAMETER_PATH     each parameter below it is a variable, named by its last part
#   LOG_GROUP          log group of the container, and of a failed boot
#   PORT               where the container listens and the load balancer connects
#   HEALTH_CHECK_PATH  what the load balancer asks for
#   ENVIRONMENT        variables that are not secret, KEY=value, one a line; may be empty
#   ROOT               goes before every absolute path; empty on an instance

set -euo pipefail
: "${REGION:?}" "${REPOSITORY_URL:?}" "${RELEASE_PARAMETER:?}" "${PARAMETER_PATH:?}" "${LOG_GROUP:?}"
: "${PORT:?}" "${HEALTH_CHECK_PATH:?}" "${ENVIRONMENT?}" "${ROOT:=}"
# A-Z means ASCII, and messages are English.
export LC_ALL=C

UNITS=$ROOT/etc/systemd/system
STEP='make a scratch folder' REASON='' SCRATCH='' INSTANCE_ID=unknown LOCALE=C

log() { printf '%s %s\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)" "$1"; }
step() { STEP=$1; log "$1"; }
fail() { REASON=$1; exit 1; }

# The CLI of Amazon Linux 2 runs on Python 2.7, which prints a value beyond ASCII only in a UTF-8 locale.
aws() { env LC_ALL="$LOCALE" aws "$@" --region "$REGION" --cli-connect-timeout 10; }

# The instance is about to be replaced, so its last words go to the log group. No sequence token is needed:
# https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutLogEvents.html
report() {
  local message stream=(--log-group-name "$LOG_GROUP" --log-stream-name "$INSTANCE_ID/boot")
  message=$(printf '%s' "$1" | tr '[:cntrl:]' ' ' | sed 's/[\\"]/\\&/g')
  aws logs create-log-stream "${stream[@]}"
  aws logs put-log-events "${stream[@]}" --log-events "[{\"timestamp\":$(date +%s)000,\"message\":\"$message\"}]"
} >/dev/null 2>&1

finish() {
  local status=$? line
  set +e
  rm -rf "$SCRATCH"
  if ((status != 0)); then
    line="boot failed: $STEP: ${REASON:-exit status $status}"
    log "$line"
    report "$line"
  fi
  exit "$status"
}
trap finish EXIT

# attempt TRIES COMMAND... leaves the output in OUTPUT, unprinted, for it may be secret. Six tries wait 62 s in all: a
# route, an endpoint or the role's policy can be younger than the instance.
attempt() {
  local tries=$1 try=1 pause=2 why
  shift
  until OUTPUT=$("$@" 2>"$SCRATCH/errors"); do
    why=$(sed '/^[[:space:]]*$/d' "$SCRATCH/errors" | tail -n 1)
    why=${why:-$1 gave no reason}
    if ((try == tries)); then fail "$why"; fi
    log "try $try of $tries failed: $why; again in $pause s"
    sleep "$pause"
    try=$((try + 1)) pause=$((pause * 2))
  done
}
once() { attempt 1 "$@"; }
retry() { attempt 6 "$@"; }

# put_file PATH MODE: standard input becomes the file, whole or not at all.
put_file() {
  local new
  new=$(mktemp "$1.XXXXXX")
  cat >"$new"
  chmod "$2" "$new"
  mv -f "$new" "$1"
}

# systemd 219 (Amazon Linux 2) has no enable --now. In a second run, restart takes up what changed since the first.
start_service() {
  once systemctl daemon-reload
  once systemctl enable "$1"
  once systemctl restart "$1"
}

remove_service() {
  if [[ ! -e $UNITS/$1.service ]]; then return; fi
  once systemctl disable "$1"
  once systemctl stop "$1"
  rm "$UNITS/$1.service"
}

lines() { if [[ -n $1 ]]; then printf '%s\n' "$1"; fi; }

# https://docs.aws.amazon.com/linux/al2/ug/ident-os-release.html
generation() {
  # shellcheck source=/dev/null
  . "$ROOT/etc/os-release" && printf '%s' "$ID $VERSION_ID"
}

install_docker() {
  if [[ $GENERATION == 'amzn 2023' ]]; then
    dnf install -y docker
  elif command -v amazon-linux-extras; then
    amazon-linux-extras install -y docker
  else
    yum install -y docker
  fi
}

# https://docs.aws.amazon.com/AmazonECR/latest/userguide/registry_auth.html
sign_in() {
  local password
  password=$(aws ecr get-login-password) || return
  printf '%s' "$password" | docker login --username AWS --password-stdin "${REPOSITORY_URL%%/*}"
}

# /run is in memory: what passes through reaches no disk.
SCRATCH=$(mktemp -d "$ROOT/run/starttech.XXXXXX")

step 'identify the instance'
once cat "$ROOT/var/lib/cloud/data/instance-id"
INSTANCE_ID=$OUTPUT
once generation
GENERATION=$OUTPUT
case $GENERATION in
  'amzn 2') LOCALE=en_US.UTF-8 ;;
  'amzn 2023') LOCALE=C.UTF-8 ;;
  *) fail "this is $GENERATION, neither Amazon Linux 2 nor 2023" ;;
esac

step 'install Docker'
if ! command -v docker >/dev/null; then retry install_docker; fi
DOCKER=$(command -v docker) || fail 'its package left no docker command'

step 'start Docker'
once systemctl enable docker
once systemctl start docker

# Packages set their own modes; from here on files are ours, and some are secret.
umask 077

step "read $RELEASE_PARAMETER"
retry aws ssm get-parameter --name "$RELEASE_PARAMETER" --query Parameter.Value --output text
RELEASE=$OUTPUT

if [[ $RELEASE == none ]]; then
  step 'start the placeholder'
  PYTHON=$(command -v python3 || command -v python) || fail 'there is no Python'
  install -d -m 0755 "$ROOT/usr/local/lib/starttech"
  # Amazon Linux 2 may have Python 2.7 alone. Here 2 and 3 differ only in the names of modules; b'' is bytes in both.
  put_file "$ROOT/usr/local/lib/starttech/placeholder.py" 0644 <<'EOF'
"""placeholder.py ADDRESS PORT HEALTH_CHECK_PATH answers for the backend until its first release."""
import sys

try:
    from http.server import BaseHTTPRequestHandler, HTTPServer
    from socketserver import ThreadingMixIn
except ImportError:
    from BaseHTTPServer import BaseHTTPRequestHandler, HTTPServer
    from SocketServer import ThreadingMixIn

address, port, health = sys.argv[1:]


class Handler(BaseHTTPRequestHandler):
    timeout = 10  # a silent client is let go

    def answer(self):
        # Closing with the body unread resets the connection, and the load balancer makes that a 502.
        self.rfile.read(min(int(self.headers.get('Content-Length') or 0), 1 << 20))
        healthy = self.path == health
        body = b'no release yet: the backend answers here once its first release is deployed\n'
        self.send_response(200 if healthy else 503)
        self.send_header('Content-Type', 'text/plain; charset=utf-8')
        self.send_header('Content-Length', str(len(body)))
        self.send_header('Cache-Control', 'no-store')
        if not healthy:
            self.send_header('Retry-After', '60')
        self.end_headers()
        if self.command != 'HEAD':
            self.wfile.write(body)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = answer

    def log_message(self, *args):
        pass  # health checks would fill the journal


class Server(ThreadingMixIn, HTTPServer):
    daemon_threads = True


Server((address, int(port)), Handler).serve_forever()
EOF
  put_file "$UNITS/starttech-placeholder.service" 0644 <<EOF
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
[[ $RELEASE =~ $TAG ]] || fail "'$RELEASE' is not an image's tag"
IMAGE=$REPOSITORY_URL:$RELEASE

step "read the parameters below $PARAMETER_PATH"
declare -A VALUES=() SOURCES=()
NAME='[A-Za-z_][A-Za-z0-9_]*'
while IFS= read -r line; do
  [[ $line =~ ^$NAME= ]] || fail "ENVIRONMENT: '${line%%=*}' is no variable's name"
  VALUES[${line%%=*}]=${line#*=}
done < <(lines "$ENVIRONMENT")
VALUES[PORT]=$PORT

# The dot ends a value, so one that goes on in the next line is seen.
retry aws ssm get-parameters-by-path --path "$PARAMETER_PATH" --recursive --with-decryption \
  --query "Parameters[].[Name,Value,'.']" --output text
parameter=
while IFS= read -r line; do
  if [[ $line == "${PARAMETER_PATH%/}"/*$'\t'* ]]; then parameter=${line%%$'\t'*}; fi
  [[ $line == "$parameter"$'\t'*$'\t.' ]] || fail "the value of $parameter has a newline"
  key=${parameter##*/} value=${line#*$'\t'} value=${value%$'\t.'}
  [[ $key =~ ^$NAME$ ]] || fail "the last part of $parameter is no variable's name ($NAME)"
  [[ -z ${SOURCES[$key]:-} ]] || fail "${SOURCES[$key]} and $parameter are both the variable $key"
  [[ $key != PORT || $value == "$PORT" ]] || fail "$parameter is not $PORT, where the load balancer connects"
  SOURCES[$key]=$parameter VALUES[$key]=$value
done < <(lines "$OUTPUT")

# The image's user, not root, reads the file through a bind mount, so the file is open to all. The folder is not: on the
# host only root gets in.
install -d -m 0700 "$ROOT/etc/starttech"
ENV_FILE=$ROOT/etc/starttech/backend.env
KEYS=$(printf '%s\n' "${!VALUES[@]}" | sort)
put_file "$ENV_FILE" 0444 < <(for key in $KEYS; do printf '%s=%s\n' "$key" "${VALUES[$key]}"; done)
log "variables: ${KEYS//$'\n'/ }"

step "pull $IMAGE"
# What docker login keeps goes with the scratch folder.
export DOCKER_CONFIG=$SCRATCH
retry sign_in
retry docker pull "$IMAGE"
once docker inspect --format '{{.Config.WorkingDir}}' "$IMAGE"
WORKING_DIR=${OUTPUT:-/}
# Spaces, quotes, % and $ mean something in a unit, and a colon in --volume.
[[ $WORKING_DIR =~ ^/[A-Za-z0-9_./-]*$ ]] || fail "the image's working directory is '$WORKING_DIR'"

step 'start the backend'
# The backend exits when it cannot reach its database, so it is restarted for ever; StartLimitInterval is systemd 219's
# word, and newer ones take it too. Wants, not Requires: it comes back by itself when Docker does.
#   StandardOutput=null  CloudWatch has it already; what is left is Docker's own errors
#   --volume             some libraries take only the variables that .env in the working directory lists
#   no-new-privileges    a setuid program in the image helps no intruder
#   non-blocking         the backend never waits for CloudWatch: https://docs.docker.com/engine/logging/configure/
# No --init: a Go server has no children to reap, and takes the SIGTERM that docker run passes on. No --cap-drop: only
# root has capabilities. No --read-only: what the application writes is its own business.
put_file "$UNITS/starttech-backend.service" 0644 <<EOF
[Unit]
Description=StartTech backend $RELEASE
Wants=docker.service
After=docker.service

[Service]
ExecStartPre=-$DOCKER rm --force backend
ExecStart=$DOCKER run --rm --name backend \\
  --env-file $ENV_FILE --volume $ENV_FILE:${WORKING_DIR%/}/.env:ro \\
  --publish $PORT:$PORT --security-opt no-new-privileges \\
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
