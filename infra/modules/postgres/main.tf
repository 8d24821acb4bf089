# One instance, its subnet group, its parameters, and who reaches it: whatever carries the group `client`.

resource "aws_db_subnet_group" "this" {
  name        = var.name
  description = "The private subnets of ${var.name}."
  subnet_ids  = var.network.subnet_ids
}

resource "aws_security_group" "instance" {
  name        = "${var.name}-database"
  description = "The database ${var.name}: in from its clients, nothing out."
  vpc_id      = var.network.vpc_id

  tags = { Name = "${var.name}-database" }
}

resource "aws_security_group" "client" {
  # checkov:skip=CKV2_AWS_5: attached by whoever runs the clients
  name        = "${var.name}-database-client"
  description = "Whoever carries this reaches the database ${var.name}."
  vpc_id      = var.network.vpc_id

  tags = { Name = "${var.name}-database-client" }
}

resource "aws_vpc_security_group_egress_rule" "client" {
  security_group_id            = aws_security_group.client.id
  description                  = "PostgreSQL"
  referenced_security_group_id = aws_security_group.instance.id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_vpc_security_group_ingress_rule" "instance" {
  security_group_id            = aws_security_group.instance.id
  description                  = "PostgreSQL"
  referenced_security_group_id = aws_security_group.client.id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

resource "aws_db_parameter_group" "this" {
  name        = var.name
  description = "TLS only; what changes the schema or takes a second is logged."
  family      = "postgres${var.engine_version}"

  dynamic "parameter" {
    for_each = {
      "log_min_duration_statement" = "1000"
      "log_statement"              = "ddl"
      "rds.force_ssl"              = "1"
    }

    content {
      name  = parameter.key
      value = parameter.value
    }
  }
}

resource "aws_db_instance" "this" {
  # checkov:skip=CKV_AWS_118: CPU, memory, storage and connections are in CloudWatch without an agent on the host
  # checkov:skip=CKV_AWS_161: Dagster's storage signs in with a password only
  # checkov:skip=CKV_AWS_354: Performance Insights is not switched on
  # checkov:skip=CKV2_AWS_69: the parameter group has rds.force_ssl; checkov does not see into a dynamic block
  # checkov:skip=CKV_AWS_353: what is slow is in the log (log_min_duration_statement)
  identifier         = var.name
  db_name            = var.database
  engine             = "postgres"
  engine_version     = var.engine_version
  instance_class     = var.instance_class
  multi_az           = var.multi_az
  ca_cert_identifier = "rds-ca-rsa2048-g1"

  allocated_storage     = var.storage_gb.initial
  max_allocated_storage = var.storage_gb.maximum
  storage_type          = "gp3"
  storage_encrypted     = true
  kms_key_id            = var.kms_key_arn

  username                      = var.username
  manage_master_user_password   = true
  master_user_secret_kms_key_id = var.kms_key_arn

  db_subnet_group_name   = aws_db_subnet_group.this.name
  parameter_group_name   = aws_db_parameter_group.this.name
  vpc_security_group_ids = [aws_security_group.instance.id]
  publicly_accessible    = false

  backup_retention_period    = var.backup_days
  copy_tags_to_snapshot      = true
  delete_automated_backups   = !var.deletion_protection
  deletion_protection        = var.deletion_protection
  skip_final_snapshot        = !var.deletion_protection
  final_snapshot_identifier  = "${var.name}-final"
  auto_minor_version_upgrade = true

  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]

  depends_on = [aws_cloudwatch_log_group.this]
}

# RDS would make them by itself, unencrypted and for ever.
resource "aws_cloudwatch_log_group" "this" {
  for_each = toset(["postgresql", "upgrade"])

  name              = "/aws/rds/instance/${var.name}/${each.key}"
  retention_in_days = var.log_retention_days
  kms_key_id        = var.log_kms_key_arn
}
