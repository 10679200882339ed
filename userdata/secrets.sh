# shellcheck shell=bash
# With secrets, this follows "run decode_parameters" in boot.sh. OUTPUT gets a line more for each variable of each secret, and the name of
# the secret in place of a parameter's path.
#
# Settings, assigned above:
#   SECRETS  names of the secrets, one per line; the value of each is a JSON object of environment variables

# list_secret prints the secret in OUTPUT as the AWS CLI prints parameters.
list_secret() {
  printf '%s' "$OUTPUT" | "$PYTHON" -c '
import json, sys
try:
    values = json.loads(json.load(getattr(sys.stdin, "buffer", sys.stdin)))
    pairs = [[sys.argv[1] + "/" + name, "" + value] for name, value in values.items()]
except (AttributeError, TypeError, ValueError):  # without the value
    sys.exit("the value is not a JSON object of strings")
print(json.dumps(pairs))
' "$SECRET"
}

FOUND=$OUTPUT
for SECRET in $SECRETS; do
  step "read the secret $SECRET"
  retry aws secretsmanager get-secret-value --secret-id "$SECRET" --query SecretString --output json
  run list_secret
  run decode_parameters
  if [[ -n $OUTPUT ]]; then FOUND+=${FOUND:+$'\n'}$OUTPUT; fi
done
OUTPUT=$FOUND
