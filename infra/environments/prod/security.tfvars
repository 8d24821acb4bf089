audit_emails    = ["security-prod@example.com"]
audit_lock_mode = "COMPLIANCE"
audit_lock_days = 365
