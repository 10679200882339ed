
# Installs and starts the CloudWatch agent, after the backend. A failure is in the log group, like one of the boot, and does not end the boot:
# the backend runs without the agent.
#   AGENT_CONFIG  configuration of the agent, JSON, assigned at the top
: "${AGENT_CONFIG:?}"

on_agent_exit() {
  local status=$? line
  if ((status == 0)); then return; fi
  line="no CloudWatch agent: cannot $STEP: ${REASON:-exit status $status}"
  log "$line"
  report "$line"
}

# It is in the repositories of both systems. AL2023's yum is dnf.
install_agent() { yum install -y amazon-cloudwatch-agent; }

configure_agent() {
  local config=$ROOT/etc/starttech/agent.json overrides=$UNITS/amazon-cloudwatch-agent.service.d
  write_file "$config" 0644 <<<"$AGENT_CONFIG" || return
  # If the memory is used up, Linux ends the agent before the backend. At a restart of the instance, the agent starts again until Docker's
  # bridge exists, where it listens.
  install -d -m 0755 "$overrides" || return
  write_file "$overrides/starttech.conf" 0644 <<<$'[Unit]\nAfter=docker.service\n\n[Service]\nOOMScoreAdjust=500' || return
  # fetch-config checks the file, and -s starts the service and enables it:
  # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/install-CloudWatch-Agent-commandline-fleet.html
  amazon-cloudwatch-agent-ctl -a fetch-config -m ec2 -c "file:$config" -s >&2 # it prints errors to standard output
}

set +e # of the script, and not of the subshell
(
  set -e
  trap on_agent_exit EXIT
  step 'install the CloudWatch agent'
  if ! command -v amazon-cloudwatch-agent-ctl >/dev/null; then retry install_agent; fi
  step 'start the CloudWatch agent'
  run configure_agent
  log 'the CloudWatch agent runs'
)
exit 0
