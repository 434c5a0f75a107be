# A server, and a store in use with an organization, a person, a connection of Okta ($C, its token in OSTIARY_SCIM_TOKEN), a
# session ($S) and an application.
ostiary serve --dev --data-dir data --egress-allow 127.0.0.0/8 &
ostiary org init model
STORE=$(ostiary store create acme --use)
ostiary model write model/fga.mod
ostiary org create "Acme Corporation" --id acme
ostiary org member add acme ann
ostiary connection create acme --kind okta --output json > connection.json
C=$(sed -n 's/.*"id": "\(.*\)".*/\1/p' connection.json)
export OSTIARY_SCIM_TOKEN=$(sed -n 's/.*"secret": "\(.*\)".*/\1/p' connection.json)
S=$(ostiary session create ann --org acme --client portal)
ostiary application create portal --logout-uri http://127.0.0.1:8091/backchannel-logout
