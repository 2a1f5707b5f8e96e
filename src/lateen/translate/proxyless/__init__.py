"""What gRPC clients without a proxy are sent: the mesh's own services and rules, reduced to what such a client reads.

    xds:///<name>:<port> -> listener of that name -> route configuration of the service port -> clusters -> endpoints

Routes and clusters are made by the code that makes those of sidecars; endpoints are the same ones. Whatever gRPC would
refuse or could not honour is left out here, and nowhere else. Source of what it reads: gRFC A27 and those named below.
"""
