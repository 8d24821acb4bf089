"""A believable SaaS, simulated: its events, and what goes wrong with events.

``history`` is the way in: tenants of very different sizes (``tenants``), their subscriptions
(``billing``), their users' sessions (``product``) and what their tools report (``webhooks``), as
one list of events in order of time. ``trouble`` mixes in bad, repeated and late ones, and
``sending`` puts it all on the buses and counts it.
"""
