"""What moto lacks of the AWS that infra/ uses: just enough to apply, change and destroy it.

Every stub is one AWS action and is listed by :data:`registry.STUBS`. Each is called by
``test_moto_extension.py``, which holds request and response against botocore's model of the
service. What a stub answers has never been compared with AWS itself.
"""
