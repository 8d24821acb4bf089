# Fill in the id of the management account: it is part of the name that stacks/bootstrap outputs.
bucket       = "minilab-prod-terraform-000000000000"
region       = "eu-central-1"
encrypt      = true
kms_key_id   = "alias/minilab-prod-terraform-state"
use_lockfile = true
