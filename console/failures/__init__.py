"""What failed of one queue or stream: dead, standing still, tried again."""
