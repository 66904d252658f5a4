"""What PagerDuty is sent."""
