"""What hookpoint is compared with: programs of their own, which share one rule and one contract."""
