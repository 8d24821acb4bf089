data "aws_region" "current" {}

data "aws_ec2_managed_prefix_list" "lattice" {
  name = "com.amazonaws.${data.aws_region.current.name}.vpc-lattice"
}

# Who of this VPC may enter the network.
resource "aws_security_group" "this" {
  name        = "${var.name}-lattice"
  description = "The VPC's entry to the service network: in from what the team runs, nothing out."
  vpc_id      = var.vpc_id

  tags = { Name = "${var.name}-lattice" }
}

resource "aws_vpc_security_group_ingress_rule" "from_workload" {
  security_group_id            = aws_security_group.this.id
  description                  = "Calls to other teams' services"
  referenced_security_group_id = var.workload_security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 443
  to_port                      = 443
}

resource "aws_vpc_security_group_egress_rule" "workload_to_lattice" {
  security_group_id = var.workload_security_group_id
  description       = "Calls to other teams' services"
  prefix_list_id    = data.aws_ec2_managed_prefix_list.lattice.id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpclattice_service_network_vpc_association" "this" {
  vpc_identifier             = var.vpc_id
  service_network_identifier = var.service_network_id
  security_group_ids         = [aws_security_group.this.id]

  tags = { Name = var.name }
}
