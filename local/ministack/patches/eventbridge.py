"""Patches for EventBridge."""

from ministack.services import eventbridge, sns

from patching import replace


def apply():
    topic_policies()


def topic_policies():
    """A target that is a topic: EventBridge publishes only if the topic's policy allows it; MiniStack always does. The
    request has no source, so that no condition on one is met
    (https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html#eb-sns-permissions)."""

    def publish(arn, payload):
        if sns.topic_policy_allows(arn, "events.amazonaws.com", "", ""):
            original_publish(arn, payload)

    original_publish = replace(eventbridge, "_dispatch_to_sns", publish)
