"""What integrations subscribe to, in the words of the form on which it is chosen."""

from typing import Final

from wallarm_notify.domain.event import Subscription

SUBSCRIPTION_WORDS: Final = {
    Subscription.SYSTEM: "System related",
    Subscription.RULES_AND_TRIGGERS: "Rules and triggers changed",
    Subscription.SECURITY_ISSUE_CRITICAL: "Critical risk",
    Subscription.SECURITY_ISSUE_HIGH: "High risk",
    Subscription.SECURITY_ISSUE_MEDIUM: "Medium risk",
    Subscription.SECURITY_ISSUE_LOW: "Low risk",
    Subscription.SECURITY_ISSUE_INFO: "Info risk",
}
"""What an integration subscribes to, as people read it."""

ALL_RISKS: Final = "Security issues of any risk"
"""All risks together."""
