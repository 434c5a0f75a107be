# A server, and a store in use with documents that people view.
cat > setup.fga <<'EOF'
model
  schema 1.1
type user
type group
  relations
    define member: [user, group#member]
type doc
  relations
    define parent: [doc]
    define viewer: [user, group#member] or viewer from parent
EOF
ostiary serve --dev --data-dir data --egress-allow 127.0.0.0/8 &
STORE=$(ostiary store create acme --use)
ostiary model write setup.fga
