"""Everything declared as one document: what there is, and a document made true."""
