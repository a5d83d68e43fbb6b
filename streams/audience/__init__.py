"""One title's audience: who begins, who goes on, who is reached. Pure: no Kafka, Redis or clock."""
