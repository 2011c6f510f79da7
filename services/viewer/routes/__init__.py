"""HTTP of the viewer: DICOMweb, pictures, slides."""
