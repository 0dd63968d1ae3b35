"""What commands answer from a store or a machine, without a flow."""
