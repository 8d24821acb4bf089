data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  here = "arn:${data.aws_partition.current.partition}:kafka:${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}"

  log_group_name = "/minilab/${var.name}/brokers"
}

resource "aws_security_group" "this" {
  name        = "${var.name}-kafka"
  description = "Kafka's brokers: in from their clients, nothing out."
  vpc_id      = var.network.vpc_id

  tags = { Name = "${var.name}-kafka" }
}

resource "aws_security_group" "client" {
  # checkov:skip=CKV2_AWS_5: attached by whoever runs the clients
  name        = "${var.name}-kafka-client"
  description = "Whoever carries this reaches Kafka's brokers."
  vpc_id      = var.network.vpc_id

  tags = { Name = "${var.name}-kafka-client" }
}

# With IAM, within the VPC: Amazon MSK Developer Guide, "Port information".
resource "aws_vpc_security_group_ingress_rule" "clients" {
  security_group_id            = aws_security_group.this.id
  description                  = "Kafka with IAM"
  referenced_security_group_id = aws_security_group.client.id
  ip_protocol                  = "tcp"
  from_port                    = 9098
  to_port                      = 9098
}

resource "aws_vpc_security_group_egress_rule" "clients" {
  security_group_id            = aws_security_group.client.id
  description                  = "Kafka with IAM"
  referenced_security_group_id = aws_security_group.this.id
  ip_protocol                  = "tcp"
  from_port                    = 9098
  to_port                      = 9098
}

resource "aws_cloudwatch_log_group" "this" {
  name              = local.log_group_name
  retention_in_days = 365
  kms_key_id        = var.log_kms_key_arn
}

# A topic is made by `minilab provision`, with the partitions of its stream, or not at all.
resource "aws_msk_configuration" "this" {
  name           = var.name
  kafka_versions = [var.kafka_version]

  server_properties = <<-PROPERTIES
    auto.create.topics.enable=false
    default.replication.factor=3
    min.insync.replicas=2
    unclean.leader.election.enable=false
  PROPERTIES
}

resource "aws_msk_cluster" "this" {
  cluster_name           = var.name
  kafka_version          = var.kafka_version
  number_of_broker_nodes = length(var.network.subnet_ids)
  enhanced_monitoring    = "PER_TOPIC_PER_PARTITION" # how far each consumer is behind

  broker_node_group_info {
    instance_type   = var.instance_type
    client_subnets  = var.network.subnet_ids
    security_groups = [aws_security_group.this.id]

    storage_info {
      ebs_storage_info {
        volume_size = var.storage_gb
      }
    }

    connectivity_info {
      public_access {
        type = "DISABLED"
      }

      # For clients in other accounts' VPCs.
      vpc_connectivity {
        client_authentication {
          sasl {
            iam = true
          }
        }
      }
    }
  }

  client_authentication {
    unauthenticated = false

    sasl {
      iam = true
    }
  }

  configuration_info {
    arn      = aws_msk_configuration.this.arn
    revision = aws_msk_configuration.this.latest_revision
  }

  encryption_info {
    encryption_at_rest_kms_key_arn = var.kms_key_arn

    encryption_in_transit {
      client_broker = "TLS"
      in_cluster    = true
    }
  }

  logging_info {
    broker_logs {
      cloudwatch_logs {
        enabled   = true
        log_group = aws_cloudwatch_log_group.this.name
      }
    }
  }
}

# The other account's own policies decide as well; the role need not exist yet.
resource "aws_msk_cluster_policy" "this" {
  count = length(var.writers) == 0 ? 0 : 1

  cluster_arn = aws_msk_cluster.this.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = flatten([
      for name, writer in var.writers : [
        {
          Sid       = "${name}Connects"
          Effect    = "Allow"
          Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${writer.account_id}:root" }
          Action    = ["kafka-cluster:Connect", "kafka-cluster:WriteDataIdempotently"]
          Resource  = aws_msk_cluster.this.arn
          Condition = { ArnEquals = { "aws:PrincipalArn" = [for role in writer.roles : "arn:${data.aws_partition.current.partition}:iam::${writer.account_id}:role/${role}"] } }
        },
        {
          Sid       = "${name}Writes"
          Effect    = "Allow"
          Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${writer.account_id}:root" }
          Action    = ["kafka-cluster:DescribeTopic", "kafka-cluster:WriteData"]
          Resource  = [for topic in writer.topics : "${local.here}:topic/${var.name}/*/${topic}"]
          Condition = { ArnEquals = { "aws:PrincipalArn" = [for role in writer.roles : "arn:${data.aws_partition.current.partition}:iam::${writer.account_id}:role/${role}"] } }
        },
        # Whoever builds that account's side (Terraform) joins the two VPCs for this cluster.
        {
          Sid       = "${name}sAccountJoins"
          Effect    = "Allow"
          Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${writer.account_id}:root" }
          Action    = ["kafka:CreateVpcConnection", "kafka:DescribeCluster", "kafka:DescribeClusterV2", "kafka:GetBootstrapBrokers"]
          Resource  = aws_msk_cluster.this.arn
        },
      ]
    ])
  })
}
