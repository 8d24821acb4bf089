audit_emails    = ["security-dev@example.com"]
audit_lock_mode = "GOVERNANCE"
audit_lock_days = 30
